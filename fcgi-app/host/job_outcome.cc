#include "host/job_outcome.h"

#include <utility>

#include "base/log.h"

namespace plugfleet {
namespace {

Outcome fault(const ClaimedJob& job, const char* what) {
  log(Severity::error, "job_threw",
      {{"id", job.lease.id}, {"kind", job.kind}, {"trace", job.trace_id}, {"attempt", job.attempt}, {"what", what}});
  return {.what = JobOutcome::retry,
          .code = std::string(info(Kind::internal).code),
          .message = "something went wrong here; the job's id helps to find it"};
}

}  // namespace

Outcome outcome_of(std::exception_ptr thrown, const ClaimedJob& job, std::string& stack) {
  try {
    std::rethrow_exception(std::move(thrown));
  } catch (const Failure& failure) {
    stack = failure.what();
    const KindInfo& its = info(failure.kind());
    const bool ours = failure.kind() == Kind::internal || failure.kind() == Kind::cancelled;
    if (ours) return fault(job, failure.what());
    if (!its.retryable) return fail_job(failure.kind(), failure.message());
    return {.what = JobOutcome::retry,
            .code = std::string(its.code),
            .message = failure.message(),
            .wait = failure.retry_after()};
  } catch (const std::exception& other) {
    stack = other.what();
    return fault(job, other.what());
  } catch (...) {
    return fault(job, "no std::exception");
  }
}

Outcome no_longer_than(Outcome outcome, const ClaimedJob& job, Clock::duration bound) {
  if (outcome.what != JobOutcome::retry || !job.has_body || !outcome.wait) return outcome;
  if (*outcome.wait < bound - job.age) return outcome;
  outcome.what = JobOutcome::failed;
  outcome.wait.reset();
  return outcome;
}

}  // namespace plugfleet
