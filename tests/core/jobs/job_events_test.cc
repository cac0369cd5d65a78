#include "core/jobs/job_events.h"

#include <algorithm>

#include "base/metrics.h"
#include "io/redis_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

// One process that tells and listens, and somebody who looks at Redis.
struct Process {
  explicit Process(Reactor& reactor, RedisOptions options)
      : redis(reactor, options), events(std::in_place, reactor, redis, options) {}
  explicit Process(Reactor& reactor, const RedisServer& server)
      : Process(reactor, RedisOptions{.address = server.socket(), .command_timeout = 5s}) {}

  Async<void> ready() { UNTIL(redis.connected() && events->listening()); }
  // Everything that was published before has been delivered when it returns.
  Async<void> settled() {
    bool heard = false;
    const auto handle = events->on_cancelled([&](std::string_view id) { heard = heard || id == "settled"; });
    co_await listeners_are(redis, "jobs:cancelled", 1);
    events->publish_cancelled("settled");
    UNTIL(heard);
  }

  Redis redis;
  std::optional<JobEvents> events;
};

std::function<void(const JobEvent&)> into(std::vector<JobEvent>& list) {
  return [&list](const JobEvent& event) { list.push_back(event); };
}

}  // namespace

ASYNC_TEST(what_is_told_of_a_job_reaches_its_watchers_as_it_was_said) {
  RedisServer server;
  Process process(reactor, server);
  std::vector<JobEvent> first, second, other;
  const auto a = process.events->watch("1", into(first));
  const auto b = process.events->watch("1", into(second));
  const auto c = process.events->watch("2", into(other));
  co_await process.ready();
  process.events->publish(
      {.id = "1", .status = JobStatus::processing, .number = 3, .progress = 50, .message = "\"half\"\n\xc3\xa9"});
  process.events->publish({.id = "1", .status = JobStatus::completed, .number = 4, .progress = 100});
  process.events->publish({.id = "3", .status = JobStatus::failed});
  co_await process.settled();
  CHECK_EQ(first.size(), 2u);
  CHECK(first[0].id == "1" && first[0].status == JobStatus::processing && first[0].number == 3 &&
        first[0].progress == 50);
  CHECK_EQ(first[0].message, "\"half\"\n\xc3\xa9");
  CHECK(first[1].status == JobStatus::completed && first[1].number == 4 && first[1].message.empty());
  CHECK_EQ(second.size(), 2u);
  CHECK(other.empty());
}

ASYNC_TEST(a_job_has_one_channel_however_many_watch_it_and_none_when_all_have_left) {
  RedisServer server;
  Process process(reactor, server);
  std::vector<JobEvent> heard;
  auto first = process.events->watch("1", into(heard));
  auto second = process.events->watch("1", into(heard));
  const auto other = process.events->watch("2", into(heard));
  co_await process.ready();
  co_await listeners_are(process.redis, "job:1", 1);
  co_await listeners_are(process.redis, "job:2", 1);
  const auto clients = co_await process.redis.command({"CLIENT", "LIST", "TYPE", "pubsub"});
  CHECK_CONTAINS(clients.text, " sub=2 ");
  CHECK_EQ(std::ranges::count(clients.text, '\n'), 1);
  first.reset();
  process.events->publish({.id = "1", .status = JobStatus::processing});
  co_await process.settled();
  CHECK_EQ(heard.size(), 1u);
  second.reset();
  co_await listeners_are(process.redis, "job:1", 0);
  co_await listeners_are(process.redis, "job:2", 1);
}

ASYNC_TEST(who_only_tells_has_no_second_connection) {
  RedisServer server;
  Process process(reactor, server);
  UNTIL(process.redis.connected());
  const auto gap = process.events->on_gap([] {});
  process.events->publish({.id = "1", .status = JobStatus::processing});
  const auto clients = co_await process.redis.command({"CLIENT", "LIST"});
  CHECK_EQ(std::ranges::count(clients.text, '\n'), 1);
  CHECK(!process.events->listening());
}

ASYNC_TEST(runners_are_told_of_each_kind_once_and_of_who_is_cancelled) {
  RedisServer server;
  Process process(reactor, server);
  std::vector<std::string> kinds, ids;
  const auto enqueued = process.events->on_enqueued([&](std::string_view kind) { kinds.emplace_back(kind); });
  const auto cancelled = process.events->on_cancelled([&](std::string_view id) { ids.emplace_back(id); });
  co_await process.ready();
  process.events->publish_enqueued({"b", "a", "b", "a"});
  process.events->publish_cancelled("7");
  UNTIL(!ids.empty());
  CHECK(kinds == (std::vector<std::string>{"a", "b"}));
  CHECK_EQ(ids[0], "7");
}

ASYNC_TEST(handles_may_be_dropped_by_what_they_call) {
  RedisServer server;
  Process process(reactor, server);
  JobEvents::Handle first, second, renewed;
  int first_called = 0, second_called = 0, renewed_called = 0;
  const std::string captured(100, 'x');  // on the heap: read after the handle has gone
  first = process.events->watch("1", [&, captured](const JobEvent&) {
    first.reset();
    second.reset();
    renewed = process.events->watch("1", [&](const JobEvent&) { ++renewed_called; });
    first_called += captured.size() == 100;
  });
  second = process.events->watch("1", [&](const JobEvent&) { ++second_called; });
  co_await process.ready();
  process.events->publish({.id = "1", .status = JobStatus::processing, .number = 1});
  co_await process.settled();
  CHECK(first_called == 1 && second_called == 0 && renewed_called == 0);
  process.events->publish({.id = "1", .status = JobStatus::completed, .number = 2});
  co_await process.settled();
  CHECK(first_called == 1 && second_called == 0 && renewed_called == 1);
}

ASYNC_TEST(handles_may_outlive_what_gave_them_and_that_may_go_while_it_calls) {
  RedisServer server;
  Process process(reactor, server);
  const auto gap = process.events->on_gap([] {});
  const auto handle = process.events->watch("1", [&](const JobEvent&) { process.events.reset(); });
  const auto another = process.events->watch("2", [](const JobEvent&) {});
  co_await process.ready();
  process.events->publish({.id = "1", .status = JobStatus::processing});
  UNTIL(!process.events);
}

ASYNC_TEST(after_a_lost_connection_the_gap_is_told_and_events_come_again) {
  RedisServer server;
  Process process(reactor, server);
  std::vector<JobEvent> heard;
  int gaps = 0, dropped_gaps = 0;
  const auto gap = process.events->on_gap([&] { ++gaps; });
  auto dropped = process.events->on_gap([&] { ++dropped_gaps; });
  const auto handle = process.events->watch("1", into(heard));
  co_await process.ready();
  CHECK(gaps == 1 && dropped_gaps == 1);
  dropped.reset();
  co_await process.redis.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  UNTIL(gaps == 2);
  CHECK_EQ(dropped_gaps, 1);
  process.events->publish({.id = "1", .status = JobStatus::completed});
  UNTIL(heard.size() == 1);
}

ASYNC_TEST(what_can_not_be_told_is_dropped_and_counted) {
  RedisServer server;
  server.end();
  std::filesystem::remove(server.socket());
  Process process(reactor, server);
  std::vector<JobEvent> heard;
  const auto handle = process.events->watch("1", into(heard));
  const Counter dropped = counter("plugfleet_job_events_dropped_total");
  const auto before = dropped.value();
  for (int i = 0; i < 5; ++i) process.events->publish({.id = "1", .status = JobStatus::processing, .number = i});
  CHECK_EQ(dropped.value() - before, 5u);
  CHECK(!process.events->listening());
  server.start();
  co_await process.ready();
  process.events->publish({.id = "1", .status = JobStatus::completed, .number = 9});
  UNTIL(!heard.empty());
  CHECK_EQ(heard[0].number, 9);
  CHECK_EQ(dropped.value() - before, 5u);
}

ASYNC_TEST(a_flood_of_events_leaves_room_for_commands) {
  RedisServer server;
  Process process(reactor, RedisOptions{.address = server.socket(), .command_timeout = 5s, .pending_max = 100});
  UNTIL(process.redis.connected());
  const Counter dropped = counter("plugfleet_job_events_dropped_total");
  const auto before = dropped.value();
  for (int i = 0; i < 200; ++i) process.events->publish({.id = "1", .status = JobStatus::processing, .number = i});
  CHECK_EQ(dropped.value() - before, 150u);
  const auto answer = co_await process.redis.command({"ECHO", "x"});
  CHECK_EQ(answer.text, "x");
}

ASYNC_TEST(what_is_told_in_one_turn_is_one_write) {
  RedisServer server;
  Process process(reactor, server);
  UNTIL(process.redis.connected());
  const auto before = co_await told_by_info(process.redis, "stats", "total_reads_processed:");
  for (int i = 0; i < 50; ++i) process.events->publish({.id = "1", .status = JobStatus::processing, .number = i});
  const auto after = co_await told_by_info(process.redis, "stats", "total_reads_processed:");
  CHECK_EQ(after - before, 1);  // with the question itself
  const auto published = co_await told_by_info(process.redis, "commandstats", "cmdstat_publish:calls=");
  CHECK_EQ(published, 50);
}

ASYNC_TEST(a_message_of_somebody_else_is_no_event) {
  RedisServer server;
  Process process(reactor, server);
  std::vector<JobEvent> heard;
  const auto handle = process.events->watch("1", into(heard));
  co_await process.ready();
  for (const char* const text : {"", "no JSON", "[]", "{}", R"({"status":7})", R"({"status":"queued","number":"x"})"}) {
    co_await process.redis.command({"PUBLISH", "job:1", text});
  }
  co_await process.settled();
  CHECK_EQ(heard.size(), 1u);
  CHECK(heard[0].status == JobStatus::queued && heard[0].number == 0);
}

TEST(the_three_ends_of_a_job_are_terminal) {
  for (const JobStatus status : {JobStatus::completed, JobStatus::failed, JobStatus::cancelled})
    CHECK(is_terminal(status));
  for (const JobStatus status : {JobStatus::queued, JobStatus::processing}) CHECK(!is_terminal(status));
}

ASYNC_TEST(of_all_who_hear_of_enqueued_jobs_one_is_to_claim_them) {
  RedisServer server;
  Process one(reactor, server), other(reactor, server);
  UNTIL(one.redis.connected() && other.redis.connected());
  for (int round = 0; round < 3; ++round) {
    one.events->publish_enqueued({"a"});
    const bool first = co_await one.events->answer_enqueued("a");
    const bool second = co_await other.events->answer_enqueued("a");
    const bool untold = co_await other.events->answer_enqueued("b");
    CHECK(first && !second && !untold);
  }
  server.end();
  UNTIL(!other.redis.connected());
  const bool without_redis = co_await other.events->answer_enqueued("a");
  CHECK(without_redis);
}
