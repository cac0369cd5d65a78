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

// What job_json writes, for the API's description: it copies no result.
struct ShownJob {
  struct Error {
    std::string code, message;
    void fields(auto& f) {
      f("code", code);
      f("message", message);
    }
  };
  std::string id, type, status, progress_message, created_at;
  std::int64_t progress = 0, attempt = 0, max_attempts = 0;
  std::optional<std::string> started_at, completed_at;  // null until then
  std::optional<std::int64_t> duration_ms;
  std::optional<Error> error;  // once it has failed
  std::optional<Json> result;  // once it has completed
  std::optional<bool> result_expired;
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("type", type);
    f("status", status, one_of(kJobStatuses));
    f("progress", progress, range(0, 100));
    f("progressMessage", progress_message);
    f("attempt", attempt);
    f("maxAttempts", max_attempts);
    f("createdAt", created_at, time_text());
    f("startedAt", started_at, time_text());
    f("completedAt", completed_at, time_text());
    f("durationMs", duration_ms);
    f("error", error, left_out());
    f("result", result, left_out());
    f("resultExpired", result_expired, left_out());
  }
};

// As ShownJob says.
std::string job_json(const ToldJob& job);
// The same, without `result` where that rests in the payload Redis.
std::string job_json(const JobView& row);

}  // namespace plugfleet
