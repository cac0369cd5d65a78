#include "host/job_outcome.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace plugfleet {
namespace {

Outcome fault(const ClaimedJob& job, const char* what) {
  log(Severity::error, "job_threw",
      {{"id", job.lease.id}, {"kind", job.kind}, {"trace", job.trace_id}, {"attempt", job.attempt}, {"what", what}});
  return {.what = JobOutcome::retry,
          .code = code_of(FailureKind::internal),
          .message = "something went wrong here; the job's id helps to find it"};
}

// As long as it asks for, and a tenth of the time the job has waited: many that wait for long do not look all the time.
milliseconds wait_of(const Failure& failure, const ClaimedJob& job) {
  constexpr milliseconds kLeast = 1s, kMost = 30s;
  return std::max(failure.retry_after().value_or(0ms), std::clamp(job.age / 10, kLeast, kMost));
}

}  // namespace

Outcome outcome_of(std::exception_ptr thrown, const ClaimedJob& job, bool tried, std::string& stack) {
  try {
    std::rethrow_exception(std::move(thrown));
  } catch (const Failure& failure) {
    stack = failure.what();
    const KindInfo& its = info(failure.kind());
    const bool ours = failure.kind() == FailureKind::internal || failure.kind() == FailureKind::cancelled;
    if (ours) return fault(job, failure.what());
    if (its.retry == Retry::never) return fail_job(failure.kind(), failure.message());
    Outcome outcome{.what = JobOutcome::retry,
                    .code = std::string(its.code),
                    .message = failure.message(),
                    .wait = failure.retry_after()};
    if (its.retry == Retry::later) {
      if (!tried) outcome.what = JobOutcome::released;
      outcome.wait = wait_of(failure, job);
    }
    return outcome;
  } catch (const std::exception& other) {
    stack = other.what();
    return fault(job, other.what());
  } catch (...) {
    return fault(job, "no std::exception");
  }
}

Outcome no_longer_than(Outcome outcome, const ClaimedJob& job, Clock::duration bound) {
  const bool waits = outcome.what == JobOutcome::retry || outcome.what == JobOutcome::released;
  if (!waits || !outcome.wait) return outcome;
  if (*outcome.wait >= (job.has_body ? bound - job.age : bound)) {
    outcome.what = JobOutcome::failed;
    outcome.message += "; the job can't wait as long as that";
    outcome.wait.reset();
  } else if (!job.has_body && job.age >= bound) {
    outcome.what = JobOutcome::retry;
  }
  return outcome;
}

}  // namespace plugfleet
