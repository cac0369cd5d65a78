#include "core/call.h"

#include "support/async.h"
#include "support/check.h"
#include "support/served.h"

using namespace plugfleet;
using namespace plugfleet::test;

// Without PostgreSQL and Redis: what becomes a job is given to the test.

namespace {

Async<Reply> show(Call& call) {
  co_return text(200, fmt::format("{} {} {} {}", call.trace().id, call.client_key(), call.query("q").value_or("-"),
                                  call.header("x-own-header")));
}

// {"outcome"}: what the work ends with.
struct Asked {
  std::string outcome;
  void fields(auto& f) { f("outcome", outcome); }
};

Async<Outcome> work(std::string outcome) {
  if (outcome == "done") co_return done(Json::object({{"words", 3}}));
  if (outcome == "empty") co_return done(Json::object());
  if (outcome == "list") co_return done(Json::array({1, 2}));
  if (outcome == "images") co_return done(Json::object({{"words", 3}}), R"({"words":3,"image":"AAAA"})");
  if (outcome == "refused") co_return fail_job(FailureKind::unprocessable, "it is not a sheet");
  if (outcome == "closed") co_return retry_in(2s, "the shop is closed");
  if (outcome == "cancelled") co_return cancel_job("no longer wanted");
  throw Failure(FailureKind::provider_error, "the AI is odd");
}

Async<Reply> count(Call& call) {
  const Asked asked = co_await call.json<Asked>();
  NewJob job{.kind = "test.count", .user_email = "ann@example.org"};
  std::function<Async<Outcome>(Work&)> now = [outcome = asked.outcome](Work&) { return work(outcome); };
  Reply reply = co_await call.answer(std::move(job), std::move(now));
  co_return reply;
}

struct Fleet : Served {
  explicit Fleet(Reactor& reactor) : Served(reactor, {}) {
    add_routes({{Method::GET, "/show", show, {}}, {Method::POST, "/count", count, {}}});
    platform->intake.give_to([this](NewJob job, std::string_view body) {
      taken.push_back(std::move(job));
      bodies.emplace_back(body);
      return EnqueueResult{.what = result, .id = taken.back().id};
    });
  }

  Async<std::string> count_as(std::string outcome, Fields params = {}) {
    const std::string body = Json::object({{"outcome", outcome}}).dump();
    std::string reply = co_await ask("POST", "/count", body, std::move(params));
    co_return reply;
  }

  std::vector<NewJob> taken;
  std::vector<std::string> bodies;
  Enqueued result = Enqueued::created;
};

std::string body_of(const std::string& reply) { return reply.substr(reply.find("\r\n\r\n") + 4); }

}  // namespace

ASYNC_TEST(a_handler_sees_the_trace_the_client_its_query_and_its_headers) {
  Fleet fleet(reactor);
  std::string reply =
      co_await fleet.ask("GET", "/show", "", {{"QUERY_STRING", "p=1&q=a%20b+c"}, {"HTTP_X_OWN_HEADER", "own"}});
  CHECK_EQ(body_of(reply), "trace-7 addr:10.0.0.1 a b c own");
  reply = co_await fleet.ask("GET", "/show", "", {{"REMOTE_ADDR", "2001:db8::1"}, {"TRACE_ID", "no trace"}});
  CHECK_CONTAINS(reply, " addr:2001:db8::/");
  CHECK(!reply.contains("no trace"));
  reply = co_await fleet.ask("GET", "/show", "", {{"QUERY_STRING", "q=%ff"}});
  CHECK_CONTAINS(reply, "Status: 400");
  CHECK_CONTAINS(reply, R"("field":"q")");
}

ASYNC_TEST(work_done_at_once_is_answered_with_its_result_and_its_jobs_id) {
  Fleet fleet(reactor);
  std::string reply = co_await fleet.count_as("done");
  CHECK_CONTAINS(reply, "Status: 200");
  auto body = Json::parse(body_of(reply)).value();
  CHECK_EQ(body["words"].integer().value(), 3);
  CHECK_EQ(body["jobId"].string().value().size(), 36u);
  CHECK(body["durationMs"].integer().value() >= 0);
  reply = co_await fleet.count_as("images");  // the whole one
  CHECK_EQ(Json::parse(body_of(reply)).value()["image"].string().value(), "AAAA");
  reply = co_await fleet.count_as("list");
  CHECK_EQ(Json::parse(body_of(reply)).value()["result"].size(), 2u);
  reply = co_await fleet.count_as("empty");
  CHECK_EQ(Json::parse(body_of(reply)).value().size(), 2u);
  CHECK(fleet.taken.empty());
}

ASYNC_TEST(work_that_fails_at_once_is_answered_as_what_it_failed_of) {
  Fleet fleet(reactor);
  std::string reply = co_await fleet.count_as("refused");
  CHECK_CONTAINS(reply, "Status: 422");
  CHECK_CONTAINS(reply, "it is not a sheet");
  reply = co_await fleet.count_as("closed");
  CHECK_CONTAINS(reply, "Status: 503");
  CHECK_CONTAINS(reply, "Retry-After: 2\r\n");
  reply = co_await fleet.count_as("cancelled");
  CHECK_CONTAINS(reply, "Status: 409");
  reply = co_await fleet.count_as("thrown");
  CHECK_CONTAINS(reply, "Status: 502");
}

ASYNC_TEST(who_prefers_not_to_wait_gets_a_job_with_the_body_and_who_asked) {
  Fleet fleet(reactor);
  std::string reply = co_await fleet.count_as("done", {{"HTTP_PREFER", "respond-async"}});
  CHECK_CONTAINS(reply, "Status: 202");
  CHECK_CONTAINS(reply, "Preference-Applied: respond-async\r\n");
  const NewJob& job = fleet.taken.at(0);
  CHECK_CONTAINS(reply, "Location: /api/jobs/" + job.id + "\r\n");
  CHECK_EQ(job.ip_address.value(), "10.0.0.1");
  CHECK_EQ(job.trace_id, "trace-7");
  CHECK(!job.idempotency);
  CHECK_EQ(fleet.bodies.at(0), R"({"outcome":"done"})");
  co_await fleet.count_as("done", {{"HTTP_PREFER", "respond-async"}, {"REMOTE_ADDR", "unix:"}});
  CHECK(!fleet.taken.at(1).ip_address);
}

ASYNC_TEST(an_idempotency_key_is_its_users_and_its_bodys) {
  Fleet fleet(reactor);
  const Fields keyed{{"HTTP_PREFER", "respond-async"}, {"HTTP_IDEMPOTENCY_KEY", "key-1"}};
  co_await fleet.count_as("done", keyed);
  co_await fleet.count_as("empty", keyed);
  const auto &first = fleet.taken.at(0).idempotency.value(), &second = fleet.taken.at(1).idempotency.value();
  CHECK_EQ(first.key, "key-1");
  CHECK_EQ(first.scope, "test.count email:ann@example.org");
  CHECK_EQ(second.scope, first.scope);
  CHECK(second.digest != first.digest);
  fleet.result = Enqueued::conflict;
  std::string reply = co_await fleet.count_as("done", keyed);
  CHECK_CONTAINS(reply, "Status: 422");
  reply = co_await fleet.count_as("done", {{"HTTP_IDEMPOTENCY_KEY", std::string(256, 'k')}});
  CHECK_CONTAINS(reply, "Status: 400");
}
