#include "core/ai/breaker.h"

#include <stdlib.h>

#include "base/ids.h"
#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

constexpr BreakerRules kRules{.failures = 4, .window = 10s, .open_for = 100ms, .open_max = 400ms, .probe_for = 30s};

RedisOptions shared_redis() {
  const char* path = getenv("PLUGFLEET_TEST_REDIS");
  if (!path) test::fail("set PLUGFLEET_TEST_REDIS to the unix socket of a Redis to write into; `make test` does");
  return {.address = path};
}

RedisOptions no_redis() { return {.address = "/nonexistent/redis.sock"}; }

// Two processes of one fleet, each with its own connection.
struct Fleet {
  explicit Fleet(Reactor& reactor, BreakerRules rules = kRules, RedisOptions options = shared_redis())
      : one_redis(reactor, options),
        two_redis(reactor, options),
        one(reactor, one_redis, name, rules),
        two(reactor, two_redis, name, rules) {}

  const std::string name = "test-" + random_hex(8);
  Redis one_redis, two_redis;
  Breaker one, two;
};

Async<bool> admitted(Breaker& breaker) {
  const auto permit = co_await breaker.admit();
  co_return permit.allowed();
}

Async<void> call(Breaker& breaker, CallResult result) {
  auto permit = co_await breaker.admit();
  if (permit.allowed()) permit.record(result);
}

Async<void> fail_until_open(Breaker& breaker) {
  for (int i = 0; i < kRules.failures; ++i) co_await call(breaker, CallResult::failure);
  UNTIL(breaker.view().state != BreakerState::closed);
}

// Lets the time it is open pass, and takes the probe.
Async<Breaker::Permit> probe(Breaker& breaker) {
  const auto deadline = Clock::now() + 8s;
  for (;;) {
    auto permit = co_await breaker.admit();
    if (permit.allowed() || Clock::now() > deadline) co_return permit;
    CHECK(permit.retry_after() > 0ms);
    co_await sleep_for(5ms);
  }
}

// As a key is found whose end was set an hour ago, before the clock of Redis was set back by that hour.
Async<void> set_clock_back(Fleet& fleet, std::string part = "") {
  const std::string key = "plugfleet:breaker:" + fleet.name + part;
  const auto left = co_await fleet.one_redis.command({"PTTL", key});
  CHECK(left.integer > 0);
  co_await fleet.one_redis.command({"PEXPIRE", key, std::to_string(left.integer + 3'600'000)});
}

// Whatever was sent before has been carried out when this ends: commands of one connection keep their order.
Async<void> settled(Redis& redis) { co_await redis.command({"PING"}); }

Async<std::int64_t> script_calls(Redis& redis) {
  constexpr std::string_view kField = "cmdstat_evalsha:calls=";
  const auto stats = co_await redis.command({"INFO", "commandstats"});
  const auto at = stats.text.find(kField);
  co_return at == std::string::npos ? 0 : std::stoll(stats.text.substr(at + kField.size()));
}

Async<void> take_probe_if_any(Breaker& breaker, std::shared_ptr<std::vector<Breaker::Permit>> taken,
                              std::shared_ptr<int> asked) {
  auto permit = co_await breaker.admit();
  if (permit.allowed()) taken->push_back(std::move(permit));
  ++*asked;
}

Async<void> hold_a_permit(Breaker& breaker, std::shared_ptr<bool> held) {
  const auto permit = co_await breaker.admit();
  *held = permit.allowed();
  co_await sleep_for(60s);
}

// A lost probe is what expires, and not the state.
BreakerRules short_probes() {
  auto rules = kRules;
  rules.probe_for = 150ms;
  rules.open_max = 60s;
  return rules;
}

}  // namespace

ASYNC_TEST(B1_successes_send_nothing_to_redis) {
  Fleet fleet(reactor);
  co_await call(fleet.one, CallResult::success);  // asks for the state, as an idle process does
  const auto before = co_await script_calls(fleet.one_redis);
  for (int i = 0; i < 1000; ++i) co_await call(fleet.one, CallResult::success);
  const auto after = co_await script_calls(fleet.one_redis);
  CHECK(after - before < 100);
}

ASYNC_TEST(B1_it_opens_at_the_number_of_failures_and_not_before) {
  Fleet fleet(reactor);
  for (int i = 1; i < kRules.failures; ++i) co_await call(fleet.one, CallResult::failure);
  co_await settled(fleet.one_redis);
  CHECK(fleet.one.view().state == BreakerState::closed);
  co_await call(fleet.two, CallResult::failure);  // counted together
  UNTIL(fleet.two.view().state == BreakerState::open);
  CHECK(fleet.two.view().until > WallClock::now());
  const auto permit = co_await fleet.two.admit();
  CHECK(!permit.allowed());
  CHECK(permit.retry_after() > 0ms && permit.retry_after() <= 100ms);
}

ASYNC_TEST(B1_failures_that_are_under_half_of_the_calls_do_not_open_it) {
  Fleet fleet(reactor);
  for (int i = 0; i < 400; ++i) {  // 5 %, under heavy load
    co_await call(fleet.one, i % 20 == 0 ? CallResult::failure : CallResult::success);
    co_await call(fleet.two, i % 20 == 10 ? CallResult::failure : CallResult::success);
  }
  co_await settled(fleet.one_redis);
  CHECK(fleet.one.view().state == BreakerState::closed && fleet.two.view().state == BreakerState::closed);
  for (int i = 0; i < 800; ++i) co_await call(fleet.one, CallResult::failure);  // and now it is down
  UNTIL(fleet.one.view().state != BreakerState::closed);
}

ASYNC_TEST(B2_one_process_opens_it_and_the_other_refuses) {
  Fleet fleet(reactor, {.failures = 4, .open_for = 1h});
  const bool before = co_await admitted(fleet.two);  // now it believes for a while that all is well
  CHECK(before);
  co_await fail_until_open(fleet.one);
  for (bool passed = true; passed; co_await sleep_for(5ms)) passed = co_await admitted(fleet.two);
}

ASYNC_TEST(B2_a_process_that_was_idle_asks_before_its_first_call) {
  Fleet fleet(reactor, {.failures = 4, .open_for = 10s});
  co_await fail_until_open(fleet.one);
  const bool passed = co_await admitted(fleet.two);
  CHECK(!passed);
  Breaker third(reactor, fleet.one_redis, fleet.name, {.failures = 4, .open_for = 10s});
  CHECK(third.view().state == BreakerState::closed);
  const auto view = co_await third.look();
  CHECK(view.state == BreakerState::open);
  CHECK(view.until > WallClock::now() + 9s && view.until < WallClock::now() + 11s);
}

ASYNC_TEST(B3_of_many_calls_in_two_processes_one_is_the_probe_and_its_success_closes_it_everywhere) {
  Fleet fleet(reactor);
  co_await fail_until_open(fleet.one);
  co_await fleet.two.look();
  UNTIL(fleet.one.view().state == BreakerState::half_open);
  UNTIL(fleet.two.view().state == BreakerState::half_open);
  const auto taken = std::make_shared<std::vector<Breaker::Permit>>();
  const auto asked = std::make_shared<int>(0);
  for (int i = 0; i < 50; ++i) {
    reactor.spawn(take_probe_if_any(fleet.one, taken, asked));
    reactor.spawn(take_probe_if_any(fleet.two, taken, asked));
  }
  UNTIL(*asked == 100);
  CHECK_EQ(taken->size(), 1u);
  taken->front().record(CallResult::success);
  for (Breaker* breaker : {&fleet.one, &fleet.two}) {
    for (bool passed = false; !passed; co_await sleep_for(5ms)) passed = co_await admitted(*breaker);
  }
}

ASYNC_TEST(B3_a_probe_whose_process_died_frees_itself) {
  Fleet fleet(reactor, short_probes());
  co_await fail_until_open(fleet.one);
  const auto lost = co_await probe(fleet.one);
  CHECK(lost.allowed());
  const auto started = Clock::now();
  const auto next = co_await probe(fleet.two);
  CHECK(next.allowed());
  CHECK(Clock::now() - started > 80ms);
}

ASYNC_TEST(B4_the_late_success_of_an_old_call_does_not_close_it) {
  Fleet fleet(reactor, {.failures = 4, .open_for = 10s});
  auto old = co_await fleet.one.admit();
  auto other = co_await fleet.two.admit();
  co_await fail_until_open(fleet.one);
  old.record(CallResult::success);
  other.record(CallResult::success);
  co_await settled(fleet.one_redis);
  Breaker third(reactor, fleet.one_redis, fleet.name, {.failures = 4, .open_for = 10s});
  const auto view = co_await third.look();
  CHECK(view.state == BreakerState::open);
}

ASYNC_TEST(B4_a_probe_that_was_overtaken_by_one_that_failed_does_not_close_it) {
  auto rules = kRules;
  rules.probe_for = 50ms;
  Fleet fleet(reactor, rules);
  co_await fail_until_open(fleet.one);
  auto slow = co_await probe(fleet.one);
  auto failed = co_await probe(fleet.two);
  CHECK(slow.allowed() && failed.allowed());
  failed.record(CallResult::failure);
  UNTIL(fleet.two.view().state == BreakerState::open);
  slow.record(CallResult::success);
  UNTIL(fleet.one.view().state == BreakerState::open);  // told by Redis
}

ASYNC_TEST(a_probe_that_fails_doubles_the_time_up_to_the_cap) {
  Fleet fleet(reactor);
  co_await fail_until_open(fleet.one);
  for (const auto expected : {200ms, 400ms, 400ms}) {
    auto permit = co_await probe(fleet.two);
    permit.record(CallResult::failure);
    UNTIL(fleet.two.view().state == BreakerState::open);
    const auto left = fleet.two.view().until - WallClock::now();
    CHECK(left > expected - 50ms && left <= expected + 5ms);
  }
}

ASYNC_TEST(no_wait_is_longer_than_the_time_open_when_the_clock_of_redis_is_set_back) {
  Fleet fleet(reactor);
  co_await fail_until_open(fleet.one);
  co_await set_clock_back(fleet);
  const auto told = co_await fleet.two.look();
  CHECK(told.state == BreakerState::open);
  CHECK(told.until - WallClock::now() <= 100ms);
  const auto permit = co_await probe(fleet.two);
  CHECK(permit.allowed());
}

ASYNC_TEST(a_dead_probe_holds_nobody_up_for_longer_when_the_clock_of_redis_is_set_back) {
  Fleet fleet(reactor, short_probes());
  co_await fail_until_open(fleet.one);
  const auto lost = co_await probe(fleet.one);
  CHECK(lost.allowed());
  co_await set_clock_back(fleet, ":probe");
  const auto next = co_await probe(fleet.two);
  CHECK(next.allowed());
}

ASYNC_TEST(failures_count_for_their_window_only_when_the_clock_of_redis_is_set_back) {
  auto rules = kRules;
  rules.window = 200ms;
  Fleet fleet(reactor, rules);
  for (int i = 0; i < 2; ++i) co_await call(fleet.one, CallResult::failure);
  co_await settled(fleet.one_redis);
  co_await set_clock_back(fleet, ":window");
  co_await call(fleet.one, CallResult::failure);
  co_await settled(fleet.one_redis);
  co_await sleep_for(250ms);
  co_await call(fleet.one, CallResult::failure);
  co_await settled(fleet.one_redis);
  CHECK(fleet.one.view().state == BreakerState::closed);
}

ASYNC_TEST(B5_a_cancelled_call_counts_as_neither_and_a_cancelled_probe_is_given_back) {
  auto rules = kRules;
  rules.probe_for = 1h;
  Fleet fleet(reactor, rules);
  for (int i = 0; i < 20; ++i) co_await admitted(fleet.one);  // permits that go without a record
  co_await settled(fleet.one_redis);
  CHECK(fleet.one.view().state == BreakerState::closed);
  co_await fail_until_open(fleet.one);
  {
    const auto cancelled = co_await probe(fleet.one);
    CHECK(cancelled.allowed());
  }
  const auto next = co_await probe(fleet.two);  // long before probe_for is over
  CHECK(next.allowed());
}

ASYNC_TEST(B5_failures_of_calls_from_before_it_opened_do_not_open_it_again) {
  Fleet fleet(reactor);
  std::vector<Breaker::Permit> old;
  for (int i = 0; i < 10; ++i) {
    auto permit = co_await fleet.one.admit();
    old.push_back(std::move(permit));
  }
  co_await fail_until_open(fleet.one);
  auto permit = co_await probe(fleet.one);
  permit.record(CallResult::success);
  UNTIL(fleet.one.view().state == BreakerState::closed);
  for (auto& call : old) call.record(CallResult::failure);
  co_await settled(fleet.one_redis);
  CHECK(fleet.one.view().state == BreakerState::closed);
}

ASYNC_TEST(B6_without_redis_a_process_decides_alone) {
  Fleet fleet(reactor, kRules, no_redis());
  for (int i = 0; i < 20; ++i) co_await call(fleet.one, CallResult::success);
  for (int i = 0; i < 19; ++i) co_await call(fleet.one, CallResult::failure);
  co_await sleep_for(1ms);
  CHECK(fleet.one.view().state == BreakerState::closed);  // 19 of 39
  co_await call(fleet.one, CallResult::failure);
  UNTIL(fleet.one.view().state == BreakerState::open);
  const bool elsewhere = co_await admitted(fleet.two);
  CHECK(elsewhere);

  auto first = co_await probe(fleet.one);
  CHECK(first.allowed());
  const bool second = co_await admitted(fleet.one);
  CHECK(!second);
  first.record(CallResult::failure);
  UNTIL(fleet.one.view().state == BreakerState::open);
  CHECK(fleet.one.view().until - WallClock::now() > 150ms);  // doubled
  auto third = co_await probe(fleet.one);
  third.record(CallResult::success);
  UNTIL(fleet.one.view().state == BreakerState::closed);
}

ASYNC_TEST(a_process_that_ends_with_a_call_under_way_ends_cleanly) {
  Fleet fleet(reactor);
  co_await fail_until_open(fleet.one);
  UNTIL(fleet.one.view().state == BreakerState::half_open);
  const auto held = std::make_shared<bool>(false);
  const TaskPtr task = reactor.spawn(hold_a_permit(fleet.one, held));
  UNTIL(*held);
  task->cancel(Failure(FailureKind::cancelled, "the process ends"));  // its permit goes when all else is going
}
