#include "host/routes/job_routes.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "base/text.h"
#include "core/platform.h"

namespace plugfleet {
namespace {

std::string checked_id(std::string_view text) {
  auto id = canonical_uuid(text);
  if (!id) throw Failure(FailureKind::invalid_request, "a job's id is a UUID");
  return std::move(*id);
}

constexpr std::string_view kPermission = "rename";

// Who asks, for as long as their stream is open.
struct Asker {
  explicit Asker(const Call& call)
      : platform(call.platform),
        user(call.user()),
        authorization(call.header("authorization")),
        cookie(call.header("cookie")) {}
  Platform& platform;
  std::optional<User> user;
  std::string authorization, cookie;
};

// Whether what they showed is still good; but a JSON Web Token can't be revoked. And whether a team's job is still theirs,
// who asked for it as one of the team.
Async<void> check_may_see(Asker asker, JobView job) {
  const auto& user = asker.user;
  if (job.owner && !(user && user->id == *job.owner)) {
    throw Failure(FailureKind::forbidden, "this job is another user's, or your token is missing");
  }
  if (user && user->plugin && job.plugin != user->plugin->slug)
    throw Failure(FailureKind::forbidden, "a plugin sees its own jobs alone");
  if (!job.owner) co_return;
  if (user->proof != User::Proof::jwt)
    co_await asker.platform.authenticator.identify(
        Auth::required, {.authorization = asker.authorization, .cookie = asker.cookie, .permission = kPermission});
  if (job.team) co_await asker.platform.accounts.member_of(*user, *job.team, Role::viewer);
}

Async<JobView> find(Call& call, std::string id) {
  const auto job = co_await call.platform.streams.look(std::move(id));
  if (!job) throw Failure(FailureKind::not_found, "there is no such job");
  co_await check_may_see(Asker(call), *job);
  co_return *job;
}

Async<Reply> answer(Call& call, int status, JobView row) {
  const auto job = co_await with_result(call.platform.body_store, std::move(row));
  co_return Reply{.status = status, .body = job_json(job)}.with("Cache-Control", "no-store");
}

Async<Reply> show(Call& call, std::string id) {
  auto row = co_await find(call, checked_id(id));
  co_return co_await answer(call, 200, std::move(row));
}

JobEvent event_of(const JobView& job) {
  return {.id = job.id,
          .status = job.status,
          .number = job.event_number,
          .progress = job.progress,
          .message = job.progress_message};
}

// A body in the payload Redis is left to its time: the job may be tried anew by an operator until then.
Async<Reply> cancel(Call& call, std::string id) {
  Platform& platform = call.platform;
  const auto before = co_await find(call, checked_id(id));
  const auto result = co_await platform.jobs.cancel(before.id);
  if (result.what == Cancelled::unknown) throw Failure(FailureKind::not_found, "there is no such job");
  if (result.what == Cancelled::too_late) throw Failure(FailureKind::conflict, "the job has ended already");
  if (result.what == Cancelled::requested) platform.events.publish_cancelled(before.id);
  auto after = co_await find(call, before.id);
  platform.events.publish(event_of(after));
  co_return co_await answer(call, result.what == Cancelled::at_once ? 200 : 202, std::move(after));
}

std::optional<int> last_event_id(const Call& call) { return number_in<int>(call.header("last-event-id")); }

Async<Reply> stream(Call& call, std::string id) {
  const Asker asker(call);
  auto events =
      co_await call.platform.streams.open(call.client_key(), checked_id(id), last_event_id(call),
                                          [asker](JobView job) { return check_may_see(asker, std::move(job)); });
  if (!events) co_return Reply{.status = 204};  // which tells an EventSource to stop
  co_return Reply{.stream = std::move(events), .content_type = "text/event-stream"}
      .with("Cache-Control", "no-store")
      .with("X-Accel-Buffering", "no");
}

}  // namespace

Module job_routes() {
  return {.name = "jobs",
          .routes = {{Method::GET,
                      "/api/jobs/{id}",
                      show,
                      {.summary = "A job and what came of it",
                       .answers = {{200, json_of<ShownJob>()}},
                       .fails = {FailureKind::forbidden, FailureKind::not_found},
                       .auth = Auth::optional,
                       .permission = std::string(kPermission)}},
                     {Method::DELETE,
                      "/api/jobs/{id}",
                      cancel,
                      {.summary = "Cancels a job",
                       .answers = {{200, json_of<ShownJob>()}, {202, json_of<ShownJob>()}},
                       .fails = {FailureKind::forbidden, FailureKind::not_found, FailureKind::conflict},
                       .auth = Auth::optional,
                       .permission = std::string(kPermission)}},
                     {Method::GET,
                      "/api/jobs/{id}/stream",
                      stream,
                      {.summary = "A job's progress, as events (core/jobs/job_feed.h)",
                       .answers = {{200, events()}, {204, nothing()}},
                       .fails = {FailureKind::forbidden, FailureKind::not_found},
                       .auth = Auth::optional,
                       .permission = std::string(kPermission),
                       .streams = true}}}};
}

}  // namespace plugfleet
