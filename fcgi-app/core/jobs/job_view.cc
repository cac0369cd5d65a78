#include "core/jobs/job_view.h"

#include <utility>

#include "core/jobs/job_events.h"
#include "wire/json_writer.h"

namespace plugfleet {
namespace {

// Without its result, and open at its end.
JsonWriter begun(const JobView& row) {
  JsonWriter json;
  json.object().add("id", row.id).add("type", row.kind).add("status", name_of(row.status));
  json.add("progress", row.progress).add("progressMessage", row.progress_message);
  json.add("attempt", row.attempt).add("maxAttempts", row.max_attempts);
  json.add("createdAt", row.created_at).add("startedAt", row.started_at).add("completedAt", row.completed_at);
  json.add("durationMs", row.duration_ms);
  if (row.status == JobStatus::failed)
    json.object("error").add("code", row.error_code).add("message", row.error_message).end();
  return json;
}

}  // namespace

bool ToldJob::ended() const { return is_terminal(row.status); }

Async<ToldJob> with_result(BodyStore& payloads, JobView row) {
  ToldJob job{.row = std::move(row)};
  if (job.row.status != JobStatus::completed) co_return job;
  if (!job.row.result_apart) {
    job.result = job.row.result;
    co_return job;
  }
  auto whole = co_await payloads.full_result(job.row.id);
  job.result_expired = !whole;
  job.result = std::move(whole);
  co_return job;
}

std::string job_json(const ToldJob& job) {
  JsonWriter json = begun(job.row);
  if (job.row.status == JobStatus::completed) json.raw("result", job.result ? *job.result : "null");
  if (job.result_expired) json.add("resultExpired", true);
  return std::move(json).text();
}

std::string job_json(const JobView& row) {
  JsonWriter json = begun(row);
  if (row.status == JobStatus::completed && !row.result_apart) json.raw("result", row.result ? *row.result : "null");
  return std::move(json).text();
}

}  // namespace plugfleet
