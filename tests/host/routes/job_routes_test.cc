#include "host/routes/job_routes.h"

#include "core/jobs/jobs_support.h"
#include "support/served.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

// A worker that has the jobs' routes and nothing else, and a queue to put jobs into.
struct Worker : Queue, Served {
  explicit Worker(Reactor& reactor) : Queue(reactor), Served(reactor, real_servers()) {
    add_routes(job_routes().routes);
  }

  Async<std::string> ask(std::string method, std::string path, Fields params = {}) {
    return Served::ask(std::move(method), "/api/jobs/" + path, "", std::move(params));
  }
};

}  // namespace

ASYNC_TEST(a_job_is_shown_to_who_has_its_id) {
  Worker worker(reactor);
  co_await worker.declare();
  const auto id = co_await worker.add();
  std::string reply = co_await worker.ask("GET", id);
  CHECK_CONTAINS(reply, "Status: 200");
  CHECK_CONTAINS(reply, R"({"id":")" + id + R"(","type":")" + worker.kind + R"(","status":"queued","progress":0)");
  CHECK_CONTAINS(reply, "Cache-Control: no-store");
  const auto lease = co_await worker.take();
  co_await worker.end({.lease = lease, .outcome = JobOutcome::done, .result = R"({"renamed":3})"});
  std::string capitals = id;
  std::ranges::transform(capitals, capitals.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
  reply = co_await worker.ask("GET", capitals);
  CHECK_CONTAINS(reply, R"("status":"completed","progress":100)");
  CHECK_CONTAINS(reply, R"("renamed": 3)");
}

ASYNC_TEST(what_is_no_job_is_told_from_what_is_no_id) {
  Worker worker(reactor);
  for (const char* const method : {"GET", "DELETE"}) {
    std::string reply = co_await worker.ask(method, uuid_v4());
    CHECK_CONTAINS(reply, "Status: 404");
    reply = co_await worker.ask(method, "12345");
    CHECK_CONTAINS(reply, "Status: 400");
  }
  std::string reply = co_await worker.ask("GET", uuid_v4() + "/stream");
  CHECK_CONTAINS(reply, "Status: 404");
  reply = co_await worker.ask("GET", "12345/stream");
  CHECK_CONTAINS(reply, "Status: 400");
}

ASYNC_TEST(another_users_job_is_refused) {
  Worker worker(reactor);
  co_await worker.declare();
  NewJob owned = worker.job();
  owned.owner = "somebody";
  const auto id = co_await worker.add(owned);
  for (const auto& [method, path] : {std::pair("GET", id), {"DELETE", id}, {"GET", id + "/stream"}}) {
    const std::string reply = co_await worker.ask(method, path);
    CHECK_CONTAINS(reply, "Status: 403");
  }
  const auto status = co_await worker.status(id);
  CHECK_EQ(status, "queued");
}

ASYNC_TEST(a_queued_job_is_cancelled_at_once_a_running_one_soon_and_an_ended_one_no_more) {
  Worker worker(reactor);
  co_await worker.declare();
  const auto queued = co_await worker.add();
  std::string reply = co_await worker.ask("DELETE", queued);
  CHECK_CONTAINS(reply, "Status: 200");
  CHECK_CONTAINS(reply, R"("status":"cancelled")");
  reply = co_await worker.ask("DELETE", queued);
  CHECK_CONTAINS(reply, "Status: 409");
  CHECK_CONTAINS(reply, R"("error":"conflict")");

  const auto running = co_await worker.add();
  const auto lease = co_await worker.take();
  std::string told;
  const auto handle = worker.platform->events.on_cancelled([&](std::string_view id) { told = id; });
  UNTIL(worker.platform->events.listening());
  reply = co_await worker.ask("DELETE", running);
  CHECK_CONTAINS(reply, "Status: 202");
  CHECK_CONTAINS(reply, R"("status":"processing")");
  UNTIL(told == running);
  const auto change = co_await worker.end(done(lease));
  CHECK_EQ(change->status, JobStatus::cancelled);
}

ASYNC_TEST(a_stream_is_one_to_the_client_and_the_proxy_and_ends_with_the_job) {
  Worker worker(reactor);
  co_await worker.declare();
  const auto id = co_await worker.add();
  const auto cancelled = co_await worker.ask("DELETE", id);
  std::string reply = co_await worker.ask("GET", id + "/stream");
  CHECK_CONTAINS(reply, "Status: 200");
  CHECK_CONTAINS(reply, "Content-Type: text/event-stream");
  CHECK_CONTAINS(reply, "X-Accel-Buffering: no");
  CHECK_CONTAINS(reply, "event: snapshot\n");
  CHECK_CONTAINS(reply, "event: cancelled\n");
  CHECK(reply.find("Content-Length") == reply.npos);
  const std::size_t last = reply.rfind("id: ") + 4;
  const std::string seen = reply.substr(last, reply.find('\n', last) - last);
  reply = co_await worker.ask("GET", id + "/stream", {{"HTTP_LAST_EVENT_ID", seen}});
  CHECK_CONTAINS(reply, "Status: 204");
  reply = co_await worker.ask("GET", id + "/stream", {{"HTTP_LAST_EVENT_ID", "abc"}});
  CHECK_CONTAINS(reply, "event: snapshot\n");
}
