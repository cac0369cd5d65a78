// What becomes of a job whose handler threw: the one place that decides it.
#pragma once

#include <exception>
#include <string>

#include "core/job.h"

namespace plugfleet {

// A Failure that may pass is tried again, when it says; so is any fault of ours, whose words are for operators alone:
// in the log and in `stack`. Every other Failure is for good.
Outcome outcome_of(std::exception_ptr thrown, const ClaimedJob& job, std::string& stack);

// A job that would be tried again only when what it was sent is no longer kept fails now, with its code. `bound`: how
// long that is kept, from the job's making.
Outcome no_longer_than(Outcome outcome, const ClaimedJob& job, Clock::duration bound);

}  // namespace plugfleet
