#include "core/jobs/stream_places.h"

#include "base/ids.h"
#include "core/jobs/job_events.h"
#include "io/redis_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

constexpr auto kLease = 200ms;

// A worker process: connections of its own, which its death closes.
struct Process {
  Process(Reactor& reactor, StreamLimits limits, Clock::duration lease = 120s, std::string socket = shared_socket())
      : redis(reactor, {.address = socket}),
        events(reactor, redis, {.address = socket}),
        places(std::in_place, reactor, redis, events, limits, lease) {}

  // One more stream: its number.
  Async<std::size_t> open(std::string client) {
    auto place = co_await places->take(std::move(client));
    const std::size_t number = ended.size();
    ended.push_back(false);
    place->on_displaced([this, number] { ended[number] = true; });
    streams.push_back(std::move(place));
    co_return number;
  }
  Async<void> open(std::string client, int count) {
    for (int i = 0; i < count; ++i) co_await open(client);
  }
  std::int64_t open_now() const { return std::ranges::count(ended, false); }

  Redis redis;
  JobEvents events;
  std::optional<StreamPlaces> places;
  std::vector<std::shared_ptr<StreamPlace>> streams;
  std::vector<bool> ended;  // of each: whether it was displaced
};

std::string fresh_client() { return "user:" + random_hex(6); }

Async<void> until_known(Redis& redis, std::string client, std::int64_t places) {
  for (const auto deadline = Clock::now() + 8s;; co_await sleep_for(2ms)) {
    const auto reply = co_await redis.command({"ZCARD", "streams:" + sha1_hex(client)});
    if (reply.integer == places) co_return;
    CHECK(Clock::now() < deadline);
  }
}

// Until the processes that have these places listen, as Redis sees it.
Async<void> until_heard(Redis& redis, std::string client) {
  const auto members = co_await redis.command({"ZRANGE", "streams:" + sha1_hex(client), "0", "-1"});
  for (const auto& member : members.items) {
    co_await listeners_are(redis, "streams:" + member.text.substr(0, member.text.find('-')), 1);
  }
}

}  // namespace

ASYNC_TEST(a_process_has_so_many_places) {
  Process process(reactor, {.process = 2, .client = 10});
  for (int i = 0; i < 2; ++i) co_await process.open(fresh_client());
  const auto third = co_await failure_of(process.open(fresh_client()));
  CHECK(third == FailureKind::unavailable);
  CHECK_EQ(process.places->taken(), 2);
  process.streams.pop_back();
  co_await process.open(fresh_client());
}

ASYNC_TEST(the_newest_stream_of_a_client_displaces_its_oldest_and_nobody_elses) {
  Process process(reactor, {.process = 10, .client = 2});
  const std::string client = fresh_client();
  const auto other = co_await process.open(fresh_client());
  const auto first = co_await process.open(client), second = co_await process.open(client);
  CHECK(!process.ended[first]);
  const auto third = co_await process.open(client);
  CHECK(process.ended[first] && !process.ended[second] && !process.ended[third]);
  process.streams[second].reset();
  const auto fourth = co_await process.open(client);
  CHECK(!process.ended[third] && !process.ended[fourth] && !process.ended[other]);
}

ASYNC_TEST(a_client_has_so_many_places_in_the_whole_fleet_and_the_oldest_goes_wherever_it_is) {
  Process one(reactor, {.process = 10, .client = 2}), two(reactor, {.process = 10, .client = 2});
  const std::string client = fresh_client();
  const auto first = co_await one.open(client), second = co_await two.open(client);
  co_await until_heard(one.redis, client);
  const auto third = co_await two.open(client);
  UNTIL(one.ended[first]);
  CHECK(!two.ended[second] && !two.ended[third]);
  const auto fourth = co_await one.open(client);
  UNTIL(two.ended[second]);
  CHECK(!two.ended[third] && !one.ended[fourth]);
  co_await until_known(one.redis, client, 2);
}

ASYNC_TEST(who_is_displaced_before_it_is_told_how_hears_of_it_then) {
  Process process(reactor, {.process = 10, .client = 1});
  const std::string client = fresh_client();
  const auto first = co_await process.places->take(client);
  const auto second = co_await process.places->take(client);
  bool told = false;
  first->on_displaced([&told] { told = true; });
  CHECK(told);
}

ASYNC_TEST(the_places_of_a_process_that_died_go_first_though_older_ones_live) {
  Process living(reactor, {.process = 50, .client = 20});
  const std::string client = fresh_client();
  co_await living.open(client, 7);
  {
    Process dead(reactor, {.process = 50, .client = 20});
    co_await dead.open(client, 8);
    co_await until_heard(dead.redis, client);
    dead.places.reset();  // so that nothing is given back
  }
  co_await until_known(living.redis, client, 15);
  co_await living.open(client, 8);
  co_await until_known(living.redis, client, 15);
  CHECK_EQ(living.open_now(), 15);
}

ASYNC_TEST(all_streams_of_a_client_resume_when_every_process_died) {
  const std::string client = fresh_client();
  {
    Process dead(reactor, {.process = 50, .client = 20});
    co_await dead.open(client, 15);
    co_await until_heard(dead.redis, client);
    dead.places.reset();
  }
  Process fresh(reactor, {.process = 50, .client = 20});
  co_await fresh.open(client, 15);
  co_await until_known(fresh.redis, client, 15);
  CHECK_EQ(fresh.open_now(), 15);
}

ASYNC_TEST(no_clock_orders_places_nor_holds_them) {
  Process process(reactor, {.process = 10, .client = 2}, kLease);
  const std::string client = fresh_client(), key = "streams:" + sha1_hex(client);
  co_await process.open(client, 2);
  // As they are found when the clock of Redis is set back by an hour.
  for (const char* member : {"0000-1", "0000-2"}) {
    co_await process.redis.command(
        {"ZADD", key, fmt::format("{}", to_ms(WallClock::now().time_since_epoch()) + 3.6e6), member});
  }
  co_await process.redis.command({"PEXPIRE", key, "3600000"});
  co_await process.open(client);
  CHECK_EQ(process.open_now(), 2);
  CHECK(process.ended[0]);
  co_await until_known(process.redis, client, 2);
}

ASYNC_TEST(without_redis_each_process_counts_alone) {
  Process process(reactor, {.process = 10, .client = 2}, 120s, "/nowhere/redis.sock");
  co_await process.open("addr:10.0.0.1", 3);
  CHECK_EQ(process.open_now(), 2);
  CHECK(process.ended[0]);
}

ASYNC_TEST(a_redis_that_forgot_everything_is_told_again) {
  RedisServer server;
  Process one(reactor, {.process = 10, .client = 2}, kLease, server.socket());
  Process two(reactor, {.process = 10, .client = 2}, kLease, server.socket());
  UNTIL(one.redis.connected() && two.redis.connected());
  co_await one.open("user:1");
  co_await two.open("user:1");
  co_await one.redis.command({"FLUSHALL"});
  co_await until_known(one.redis, "user:1", 2);
  CHECK_EQ(one.open_now() + two.open_now(), 2);
  co_await until_heard(one.redis, "user:1");
  const auto third = co_await two.open("user:1");
  CHECK(!two.ended[third]);
  UNTIL(one.open_now() + two.open_now() == 2);
  co_await until_known(one.redis, "user:1", 2);
}

ASYNC_TEST(who_was_displaced_and_did_not_hear_of_it_is_told_when_it_says_what_it_has) {
  Process process(reactor, {.process = 10, .client = 2}, kLease), other(reactor, {.process = 10, .client = 2});
  const std::string client = fresh_client(), key = "streams:" + sha1_hex(client);
  const auto first = co_await process.open(client);
  const auto members = co_await process.redis.command({"ZRANGE", key, "0", "0"});
  co_await process.redis.command({"ZREM", key, members.items.at(0).text});
  co_await other.open(client, 2);
  co_await until_heard(other.redis, client);
  UNTIL(process.ended[first]);
  CHECK_EQ(other.open_now(), 2);
}
