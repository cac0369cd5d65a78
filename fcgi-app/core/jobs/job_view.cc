#include "core/jobs/job_view.h"

#include <fmt/format.h>

#include "base/log.h"
#include "core/jobs/job_events.h"

namespace plugfleet {
namespace {

void add_text(std::string& out, std::string_view name, std::string_view text) {
  out += fmt::format(R"(,"{}":)", name);
  append_json_string(out, text);
}

void add_time(std::string& out, std::string_view name, const std::optional<std::string>& time) {
  if (time) return add_text(out, name, *time);
  out += fmt::format(R"(,"{}":null)", name);
}

// Without its result, and open at its end.
std::string begun(const JobView& row) {
  std::string out = fmt::format(R"({{"id":"{}")", row.id);
  add_text(out, "type", row.kind);
  out += fmt::format(R"(,"status":"{}","progress":{})", name_of(row.status), row.progress);
  add_text(out, "progressMessage", row.progress_message);
  out += fmt::format(R"(,"attempt":{},"maxAttempts":{})", row.attempt, row.max_attempts);
  add_time(out, "createdAt", row.created_at);
  add_time(out, "startedAt", row.started_at);
  add_time(out, "completedAt", row.completed_at);
  out += fmt::format(R"(,"durationMs":{})", row.duration_ms ? fmt::format("{}", *row.duration_ms) : "null");
  if (row.status == JobStatus::failed) {
    out += R"(,"error":{"code":)";
    append_json_string(out, row.error_code);
    add_text(out, "message", row.error_message);
    out += '}';
  }
  return out;
}

void add_result(std::string& out, const std::optional<std::string>& result) {
  out += R"(,"result":)";
  out += result ? *result : "null";
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
  std::string out = begun(job.row);
  if (job.row.status == JobStatus::completed) add_result(out, job.result);
  if (job.result_expired) out += R"(,"resultExpired":true)";
  return out + '}';
}

std::string job_json(const JobView& row) {
  std::string out = begun(row);
  if (row.status == JobStatus::completed && !row.result_apart) add_result(out, row.result);
  return out + '}';
}

}  // namespace plugfleet
