#include "core/rate_limit.h"

#include <stdlib.h>

#include "base/ids.h"
#include "base/metrics.h"
#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

RedisOptions shared_redis() {
  const char* path = getenv("PLUGFLEET_TEST_REDIS");
  if (!path) test::fail("set PLUGFLEET_TEST_REDIS to the unix socket of a Redis to write into; `make test` does");
  return {.address = path};
}

RedisOptions no_redis() { return {.address = "/nonexistent/redis.sock"}; }

std::string new_key() { return "test:" + random_hex(8); }

std::uint64_t fallbacks() { return counter("plugfleet_limit_fallbacks_total").value(); }

// Takes until it is allowed, and says how long that took.
Async<Clock::duration> time_to_next(RateLimiter& limiter, std::string key, RateLimit limit) {
  const auto started = Clock::now();
  for (;;) {
    const auto state = co_await limiter.take(key, limit);
    if (state.allowed || Clock::now() - started > 5s) co_return Clock::now() - started;
    co_await sleep_for(2ms);
  }
}

// ---- The rule, which holds over Redis and over memory ----

Async<void> L1_points_then_refusal_then_a_new_window(RateLimiter& limiter) {
  const std::string key = new_key();
  const RateLimit limit{.points = 3, .duration = 200ms};
  for (int i = 2; i >= 0; --i) {
    const auto state = co_await limiter.take(key, limit);
    CHECK(state.allowed);
    CHECK_EQ(state.limit, 3);
    CHECK_EQ(state.remaining, i);
    CHECK_EQ(state.reset_after.count(), 1);  // rounded up
  }
  const auto refused = co_await limiter.take(key, limit);
  CHECK(!refused.allowed);
  CHECK_EQ(refused.remaining, 0);
  CHECK_EQ(refused.reset_after.count(), 1);
  const auto other = co_await limiter.take(new_key(), limit);
  CHECK(other.allowed);
  const auto waited = co_await time_to_next(limiter, key, limit);  // L2: tries do not move the window's end
  CHECK(waited > 100ms);
  CHECK(waited < 400ms);
  const auto after = co_await limiter.take(key, limit);
  CHECK_EQ(after.remaining, 1);
}

Async<void> a_refused_cost_takes_nothing(RateLimiter& limiter) {
  const std::string key = new_key();
  const RateLimit limit{.points = 5, .duration = 60s};
  const auto first = co_await limiter.take(key, limit, 3);
  CHECK_EQ(first.remaining, 2);
  CHECK_EQ(first.reset_after.count(), 60);
  const auto large = co_await limiter.take(key, limit, 3);
  CHECK(!large.allowed);
  CHECK_EQ(large.remaining, 2);
  const auto look = co_await limiter.take(key, limit, 0);
  CHECK(look.allowed);
  CHECK_EQ(look.remaining, 2);
  const auto small = co_await limiter.take(key, limit, 2);
  CHECK(small.allowed);
  CHECK_EQ(small.remaining, 0);
}

Async<void> L2_a_block_outlasts_the_window_and_is_not_prolonged(RateLimiter& limiter) {
  const std::string key = new_key();
  const RateLimit limit{.points = 1, .duration = 50ms, .block = 300ms};
  co_await limiter.take(key, limit);
  const auto waited = co_await time_to_next(limiter, key, limit);
  CHECK(waited > 250ms);
  CHECK(waited < 500ms);
}

Async<void> L2_a_short_block_does_not_shorten_the_window(RateLimiter& limiter) {
  const std::string key = new_key();
  const RateLimit limit{.points = 1, .duration = 30s, .block = 10s};
  co_await limiter.take(key, limit);
  const auto refused = co_await limiter.take(key, limit);
  CHECK(!refused.allowed);
  CHECK_EQ(refused.reset_after.count(), 30);
}

Async<void> L3_long_keys_that_differ_at_their_end_are_two(RateLimiter& limiter) {
  const std::string key = new_key() + std::string(1 << 16, 'x');
  const RateLimit limit{.points = 1, .duration = 60s};
  co_await limiter.take(key, limit);
  const auto same = co_await limiter.take(key, limit);
  CHECK(!same.allowed);
  const auto other = co_await limiter.take(key + "y", limit);
  CHECK(other.allowed);
}

Async<void> count_allowed(RateLimiter& limiter, std::string key, std::shared_ptr<int> asked,
                          std::shared_ptr<int> allowed) {
  const auto state = co_await limiter.take(key, {.points = 10, .duration = 60s});
  *allowed += state.allowed;
  ++*asked;
}

}  // namespace

#define BOTH(name)                        \
  ASYNC_TEST(name##_in_redis) {           \
    Redis redis(reactor, shared_redis()); \
    RateLimiter limiter(redis);           \
    const auto before = fallbacks();      \
    co_await name(limiter);               \
    CHECK_EQ(fallbacks(), before);        \
  }                                       \
  ASYNC_TEST(name##_in_memory) {          \
    Redis redis(reactor, no_redis());     \
    RateLimiter limiter(redis);           \
    const auto before = fallbacks();      \
    co_await name(limiter);               \
    CHECK(fallbacks() > before);          \
  }

BOTH(L1_points_then_refusal_then_a_new_window)
BOTH(a_refused_cost_takes_nothing)
BOTH(L2_a_block_outlasts_the_window_and_is_not_prolonged)
BOTH(L2_a_short_block_does_not_shorten_the_window)
BOTH(L3_long_keys_that_differ_at_their_end_are_two)

ASYNC_TEST(L1_processes_that_ask_at_once_share_one_window) {
  Redis one(reactor, shared_redis()), two(reactor, shared_redis());
  RateLimiter first(one), second(two);
  const std::string key = new_key();
  const auto asked = std::make_shared<int>(0), allowed = std::make_shared<int>(0);
  for (int i = 0; i < 50; ++i) {
    reactor.spawn(count_allowed(first, key, asked, allowed));
    reactor.spawn(count_allowed(second, key, asked, allowed));
  }
  UNTIL(*asked >= 100);
  CHECK_EQ(*allowed, 10);
}

// As a key is found whose end was set an hour ago, before the clock of Redis was set back by that hour.
Async<void> set_clock_back(Redis& redis, std::string key) {
  const auto left = co_await redis.command({"PTTL", "plugfleet:limit:" + key});
  CHECK(left.integer > 0);
  co_await redis.command({"PEXPIRE", "plugfleet:limit:" + key, std::to_string(left.integer + 3'600'000)});
}

ASYNC_TEST(L2_no_wait_is_longer_than_its_window_when_the_clock_of_redis_is_set_back) {
  Redis redis(reactor, shared_redis());
  RateLimiter limiter(redis);
  const std::string key = new_key();
  const RateLimit limit{.points = 1, .duration = 200ms};
  co_await limiter.take(key, limit);
  co_await set_clock_back(redis, key);
  const auto refused = co_await limiter.take(key, limit);
  CHECK(!refused.allowed);
  CHECK_EQ(refused.reset_after.count(), 1);
  const auto waited = co_await time_to_next(limiter, key, limit);
  CHECK(waited < 400ms);
}

ASYNC_TEST(L2_no_wait_is_longer_than_its_block_when_the_clock_of_redis_is_set_back) {
  Redis redis(reactor, shared_redis());
  RateLimiter limiter(redis);
  const std::string key = new_key();
  const RateLimit limit{.points = 1, .duration = 10s, .block = 30s};
  for (int i = 0; i < 2; ++i) co_await limiter.take(key, limit);
  co_await set_clock_back(redis, key);
  const auto blocked = co_await limiter.take(key, limit);
  CHECK(!blocked.allowed);
  CHECK_EQ(blocked.reset_after.count(), 30);
}

// As the first who took of it leaves it who dies before saying when it ends.
ASYNC_TEST(L2_a_key_without_an_end_gets_one) {
  Redis redis(reactor, shared_redis());
  RateLimiter limiter(redis);
  const std::string key = new_key();
  co_await redis.command({"SET", "plugfleet:limit:" + key, "2"});
  const auto third = co_await limiter.take(key, {.points = 3, .duration = 60s});
  CHECK_EQ(third.remaining, 0);
  CHECK_EQ(third.reset_after.count(), 60);
  const auto left = co_await redis.command({"PTTL", "plugfleet:limit:" + key});
  CHECK(left.integer > 50'000);
  CHECK(left.integer <= 60'000);
}

ASYNC_TEST(L3_a_long_key_is_short_in_redis_and_expires) {
  Redis redis(reactor, shared_redis());
  RateLimiter limiter(redis);
  const std::string name = new_key();
  co_await limiter.take(name + std::string(1 << 20, 'x'), {.points = 1, .duration = 60s});
  const auto keys = co_await redis.command({"KEYS", "plugfleet:limit:" + name + "*"});
  CHECK_EQ(keys.items.size(), 1u);
  CHECK(keys.items[0].text.size() < 100);
  const auto left = co_await redis.command({"PTTL", keys.items[0].text});
  CHECK(left.integer > 50'000);
}

ASYNC_TEST(L3_of_more_keys_than_memory_holds_the_one_that_ends_first_is_forgotten) {
  Redis redis(reactor, no_redis());
  RateLimiter limiter(redis);
  const RateLimit limit{.points = 1, .duration = 1h};
  co_await limiter.take("soon", {.points = 1, .duration = 10min});
  co_await limiter.take("late", {.points = 1, .duration = 2h});
  for (int i = 0; i < 99'998; ++i) co_await limiter.take(std::to_string(i), limit);
  const auto full = co_await limiter.take("soon", limit);
  CHECK(!full.allowed);
  co_await limiter.take("one more", limit);
  const auto late = co_await limiter.take("late", limit);
  CHECK(!late.allowed);
  const auto forgotten = co_await limiter.take("soon", limit);
  CHECK(forgotten.allowed);
}

ASYNC_TEST(a_redis_that_failed_is_asked_again_after_a_second) {
  Redis redis(reactor, shared_redis());
  RateLimiter limiter(redis);
  const std::string key = new_key();
  const RateLimit limit{.points = 5, .duration = 60s};
  co_await redis.command({"LPUSH", "plugfleet:limit:" + key, "no number"});  // the script fails on it
  co_await redis.command({"PEXPIRE", "plugfleet:limit:" + key, "60000"});
  const auto before = fallbacks();
  const auto failed = co_await limiter.take(key, limit);
  CHECK(failed.allowed);
  co_await redis.command({"DEL", "plugfleet:limit:" + key});
  const auto started = Clock::now();
  std::uint64_t asked = 1;
  for (;; ++asked) {
    const auto state = co_await limiter.take(key, limit);
    if (fallbacks() - before != asked + 1) {
      CHECK_EQ(state.remaining, 4);  // counted by Redis, where the key is new
      break;
    }
    CHECK(Clock::now() - started < 5s);
    co_await sleep_for(5ms);
  }
  CHECK(Clock::now() - started > 800ms);
}
