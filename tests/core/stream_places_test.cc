#include "core/stream_places.h"

#include "base/ids.h"
#include "io/redis_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

Async<std::optional<Kind>> refusal(StreamPlaces& places, std::string client, std::vector<StreamPlaces::Place>& taken) {
  try {
    auto place = co_await places.take(std::move(client));
    taken.push_back(std::move(place));
  } catch (const Failure& failure) {
    co_return failure.kind();
  }
  co_return std::nullopt;
}

// Until the client gets a place.
Async<void> until_taken(StreamPlaces& places, std::string client, std::vector<StreamPlaces::Place>& taken) {
  for (const auto deadline = Clock::now() + 8s;; co_await sleep_for(5ms)) {
    const auto refused = co_await refusal(places, client, taken);
    if (!refused) co_return;
    CHECK(Clock::now() < deadline);
  }
}

std::string fresh_client() { return "user:" + random_hex(6); }

}  // namespace

ASYNC_TEST(a_process_has_so_many_places) {
  Redis redis(reactor, {.address = shared_socket()});
  StreamPlaces places(reactor, redis, {.process = 2, .client = 10});
  std::vector<StreamPlaces::Place> taken;
  for (int i = 0; i < 2; ++i) {
    const auto refused = co_await refusal(places, fresh_client(), taken);
    CHECK(!refused);
  }
  const auto third = co_await refusal(places, fresh_client(), taken);
  CHECK(third == Kind::unavailable);
  CHECK_EQ(places.taken(), 2);
  taken.pop_back();
  const auto again = co_await refusal(places, fresh_client(), taken);
  CHECK(!again);
}

ASYNC_TEST(a_client_has_so_many_places_in_the_whole_fleet) {
  Redis redis(reactor, {.address = shared_socket()});
  StreamPlaces one(reactor, redis, {.process = 10, .client = 2}), other(reactor, redis, {.process = 10, .client = 2});
  const std::string client = fresh_client();
  std::vector<StreamPlaces::Place> taken;
  const auto first = co_await refusal(one, client, taken);
  const auto second = co_await refusal(other, client, taken);
  CHECK(!first && !second);
  const auto third = co_await refusal(one, client, taken);
  CHECK(third == Kind::rate_limited);
  CHECK_EQ(one.taken(), 1);
  const auto stranger = co_await refusal(one, fresh_client(), taken);
  CHECK(!stranger);
  taken.erase(taken.begin());
  co_await until_taken(other, client, taken);
}

ASYNC_TEST(the_places_of_a_process_that_died_come_back_and_those_of_a_living_one_do_not) {
  Redis redis(reactor, {.address = shared_socket()});
  const std::string client = fresh_client();
  std::vector<StreamPlaces::Place> of_the_dead, of_the_living;
  StreamPlaces living(reactor, redis, {.process = 10, .client = 2}, 200ms);
  const auto first = co_await refusal(living, client, of_the_living);
  CHECK(!first);
  {
    StreamPlaces dead(reactor, redis, {.process = 10, .client = 2}, 200ms);
    const auto second = co_await refusal(dead, client, of_the_dead);
    CHECK(!second);
  }
  const auto third = co_await refusal(living, client, of_the_living);
  CHECK(third == Kind::rate_limited);
  co_await until_taken(living, client, of_the_living);
  StreamPlaces another(reactor, redis, {.process = 10, .client = 2}, 200ms);
  const auto fourth = co_await refusal(another, client, of_the_living);
  CHECK(fourth == Kind::rate_limited);
}

ASYNC_TEST(without_redis_each_process_counts_alone) {
  Redis redis(reactor, {.address = "/nowhere/redis.sock"});
  StreamPlaces places(reactor, redis, {.process = 10, .client = 2});
  std::vector<StreamPlaces::Place> taken;
  for (int i = 0; i < 2; ++i) {
    const auto refused = co_await refusal(places, "addr:10.0.0.1", taken);
    CHECK(!refused);
  }
  const auto third = co_await refusal(places, "addr:10.0.0.1", taken);
  CHECK(third == Kind::rate_limited);
}

ASYNC_TEST(a_redis_that_forgot_everything_is_told_again) {
  RedisServer server;
  Redis redis(reactor, {.address = server.socket()});
  UNTIL(redis.connected());
  StreamPlaces places(reactor, redis, {.process = 10, .client = 1}, 200ms);
  StreamPlaces other(reactor, redis, {.process = 10, .client = 1}, 200ms);
  std::vector<StreamPlaces::Place> taken;
  const auto first = co_await refusal(places, "user:1", taken);
  CHECK(!first);
  co_await redis.command({"FLUSHALL"});
  std::int64_t known = 0;
  for (const auto deadline = Clock::now() + 8s; known == 0; co_await sleep_for(2ms)) {
    const auto reply = co_await redis.command({"DBSIZE"});
    known = reply.integer;
    CHECK(Clock::now() < deadline);
  }
  const auto second = co_await refusal(other, "user:1", taken);
  CHECK(second == Kind::rate_limited);
}
