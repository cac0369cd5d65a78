// What becomes of a job whose handler threw: the one place that decides it.
#pragma once

#include <exception>
#include <string>

#include "core/job.h"

namespace plugfleet {

// A Failure is tried again, when it says, is for good, or costs no attempt, as its kind's Retry has it; the last only
// where the handler has not `tried` (Work::tried). Any fault of ours is tried again; its words are for operators alone:
// in the log and in `stack`.
Outcome outcome_of(std::exception_ptr thrown, const ClaimedJob& job, bool tried, std::string& stack);

// A job that would be tried again only when what it was sent is no longer kept fails now, with its code. `bound`: how
// long that is kept, from the job's making. One that was sent nothing waits no longer than that at a time and, from
// that age on, costs an attempt each time.
Outcome no_longer_than(Outcome outcome, const ClaimedJob& job, Clock::duration bound);

}  // namespace plugfleet
