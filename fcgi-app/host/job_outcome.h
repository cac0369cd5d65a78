// What becomes of a job whose handler threw: the one place that decides it.
#pragma once

#include <exception>
#include <string>

#include "core/job.h"

namespace plugfleet {

// A Failure that may pass is tried again, when it says; so is any fault of ours, whose words are for operators alone:
// in the log and in `stack`. Every other Failure is for good.
Outcome outcome_of(std::exception_ptr thrown, const ClaimedJob& job, std::string& stack);

}  // namespace plugfleet
