#include "core/job.h"

#include <utility>

#include "base/ids.h"

namespace plugfleet {

Outcome done(Json result) { return {.result = std::move(result)}; }

Outcome done(Json result, std::string with_images) {
  return {.result = std::move(result), .full_result = std::move(with_images)};
}

Outcome retry_in(milliseconds wait, std::string why) {
  return {
      .what = JobOutcome::retry, .code = code_of(FailureKind::unavailable), .message = std::move(why), .wait = wait};
}

Outcome cancel_job(std::string why) { return {.what = JobOutcome::cancelled, .message = std::move(why)}; }

Outcome fail_job(FailureKind kind, std::string message) {
  return {.what = JobOutcome::failed, .code = code_of(kind), .message = std::move(message)};
}

Job::Job(ClaimedJob claimed, std::string body, Clock::time_point deadline,
         std::function<void(int, std::string)> progress, Platform& its_platform, Services& its_services)
    : Work(its_platform, its_services, {claimed.trace_id, {}}),
      claimed_(std::move(claimed)),
      body_(std::move(body)),
      deadline_(deadline),
      progress_(std::move(progress)) {}

const JsonView* Job::json_view() {
  if (!view_) {
    std::string& text = claimed_.has_body ? body_ : claimed_.payload;
    text.reserve(text.size() + kJsonPadding);
    auto parsed = parse_json_view(text);
    if (!parsed) throw Failure(FailureKind::invalid_request, parsed.error());
    view_ = std::move(*parsed);
  }
  return &*view_;
}

}  // namespace plugfleet
