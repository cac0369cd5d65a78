#include "core/ai/ai_hedge.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

const Clock::time_point kNow = Clock::time_point(1h);

void record(LatencyWindow& window, int count, Clock::duration latency, Clock::time_point now) {
  for (int i = 0; i < count; ++i) window.record(latency, now);
}

// Within the 9 % that it is rounded up by.
void check_about(std::optional<Clock::duration> actual, Clock::duration expected) {
  CHECK(actual.has_value());
  CHECK(*actual >= expected);
  CHECK(to_ms(*actual) <= 1.1 * std::max(to_ms(expected), 1.0));
}

}  // namespace

TEST(H1_fewer_than_twenty_calls_say_nothing) {
  LatencyWindow window;
  CHECK(!window.p95(kNow));
  record(window, 19, 100ms, kNow);
  CHECK(!window.p95(kNow));
  record(window, 1, 100ms, kNow);
  check_about(window.p95(kNow), 100ms);
}

TEST(H1_late_is_longer_than_95_of_100) {
  LatencyWindow window;
  record(window, 95, 100ms, kNow);
  record(window, 5, 10s, kNow);
  check_about(window.p95(kNow), 100ms);
  record(window, 1, 10s, kNow);
  check_about(window.p95(kNow), 10s);
}

TEST(H1_only_the_last_minute_counts) {
  LatencyWindow window;
  record(window, 1000, 5s, kNow);
  record(window, 20, 100ms, kNow + 54s);
  check_about(window.p95(kNow + 54s), 5s);
  check_about(window.p95(kNow + 60s), 100ms);
  CHECK(!window.p95(kNow + 2min));
  record(window, 20, 200ms, kNow + 24h);
  check_about(window.p95(kNow + 24h), 200ms);
}

TEST(H1_times_of_every_size_have_a_bucket) {
  for (const Clock::duration latency : {Clock::duration(0), Clock::duration(1ms), Clock::duration(999ms),
                                        Clock::duration(60s), Clock::duration(20min)}) {
    LatencyWindow window;
    record(window, 20, latency, kNow);
    check_about(window.p95(kNow), latency);
  }
  LatencyWindow window;
  record(window, 20, 24h, kNow);
  CHECK(window.p95(kNow).has_value());
}

TEST(H2_second_calls_stay_within_their_percentage) {
  HedgeBudget budget(3);
  int taken = 0;
  for (int calls = 1; calls <= 10'000; ++calls) {
    budget.count_call();
    if (budget.has_one()) {
      budget.take_one();
      ++taken;
    }
    CHECK(100 * taken <= 3 * calls);
  }
  CHECK_EQ(taken, 300);
}

TEST(H2_a_few_can_be_saved_up) {
  HedgeBudget budget(20);
  for (int calls = 0; calls < 1000; ++calls) budget.count_call();
  int taken = 0;
  for (; budget.has_one(); ++taken) budget.take_one();
  CHECK_EQ(taken, 10);
}

TEST(H2_no_percentage_is_no_second_call) {
  HedgeBudget budget(0);
  for (int calls = 0; calls < 1000; ++calls) budget.count_call();
  CHECK(!budget.has_one());
}
