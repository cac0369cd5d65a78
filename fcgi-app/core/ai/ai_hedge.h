// When a call is late enough to be made a second time, and how many may be. All times are the caller's; no I/O.
//
//   H1  What counts as late is told by the calls that went well in the last minute, twenty at least: longer than 95 of
//       100 of them.
//   H2  Second calls stay within their percentage of all calls, whatever happens; up to ten can be saved up.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace plugfleet {

// The times of the last minute, in twelve slots of 5 s, each with buckets that grow by 9 %, from 1 ms to 20 minutes.
class LatencyWindow {
 public:
  void record(Clock::duration latency, Clock::time_point now);

  // H1, rounded up to its bucket's end; none while there are fewer than twenty.
  std::optional<Clock::duration> p95(Clock::time_point now);

 private:
  static constexpr std::size_t kSlots = 12, kBuckets = 164;
  using Counts = std::array<std::uint32_t, kBuckets>;

  static std::size_t bucket_of(Clock::duration latency);
  void forget_old(Clock::time_point now);

  std::array<Counts, kSlots> slots_{};
  Counts sums_{};
  std::uint32_t count_ = 0;
  std::int64_t newest_ = 0;  // the slot being filled, by number since the clock began
};

// H2.
class HedgeBudget {
 public:
  explicit HedgeBudget(std::int64_t percent) : percent_(percent) {}

  void count_call();
  bool has_one() const { return hundredths_ >= 100; }
  void take_one() { hundredths_ -= 100; }

 private:
  std::int64_t percent_, hundredths_ = 0;
};

}  // namespace plugfleet
