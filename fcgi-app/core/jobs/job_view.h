// A job as its clients are told of it: what GET /api/jobs/<id> answers and what the streams send.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/jobs/job_payloads.h"
#include "core/jobs/jobs.h"

namespace plugfleet {

struct ToldJob {
  JobView row;
  std::optional<std::string> result;  // JSON, with its images
  bool result_expired = false;        // it had images, and their time is over

  bool ended() const;
};

// Adds the result, from the payload Redis where it rests there: throws Failure(unavailable) where that is down, for
// then nobody knows whether it is still there.
Async<ToldJob> with_result(JobPayloads& payloads, JobView row);

// {"id", "type", "status", "progress", "progressMessage", "attempt", "maxAttempts", "createdAt", "startedAt",
// "completedAt", "durationMs", "result"?, "resultExpired"?, "error"?}. What is not known yet is null; `result` is there
// once the job has completed, `error` once it has failed.
std::string job_json(const ToldJob& job);
// The same, without `result` where that rests in the payload Redis.
std::string job_json(const JobView& row);

}  // namespace plugfleet
