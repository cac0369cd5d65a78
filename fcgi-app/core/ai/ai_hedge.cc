#include "core/ai/ai_hedge.h"

#include <algorithm>
#include <cmath>

namespace plugfleet {
namespace {

constexpr Clock::duration kSlot = 5s;
constexpr double kBucketsAnOctave = 8;
constexpr std::uint32_t kCallsLeast = 20;
constexpr std::int64_t kSavedMost = 10;

}  // namespace

std::size_t LatencyWindow::bucket_of(Clock::duration latency) {
  const double octaves = std::log2(std::max(to_ms(latency), 1.0));
  return std::min(static_cast<std::size_t>(octaves * kBucketsAnOctave), kBuckets - 1);
}

void LatencyWindow::forget_old(Clock::time_point now) {
  const std::int64_t slot = now.time_since_epoch() / kSlot;
  for (std::int64_t next = std::max(newest_ + 1, slot - static_cast<std::int64_t>(kSlots) + 1); next <= slot; ++next) {
    Counts& old = slots_[static_cast<std::size_t>(next) % kSlots];
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      sums_[bucket] -= old[bucket];
      count_ -= old[bucket];
    }
    old = {};
  }
  newest_ = std::max(newest_, slot);
}

void LatencyWindow::record(Clock::duration latency, Clock::time_point now) {
  forget_old(now);
  const std::size_t bucket = bucket_of(latency);
  ++slots_[static_cast<std::size_t>(newest_) % kSlots][bucket];
  ++sums_[bucket];
  ++count_;
}

std::optional<Clock::duration> LatencyWindow::p95(Clock::time_point now) {
  forget_old(now);
  if (count_ < kCallsLeast) return std::nullopt;
  std::uint32_t left = count_ - count_ / 20;  // so many lie at it or below
  std::size_t bucket = 0;
  while (left > sums_[bucket]) left -= sums_[bucket++];
  const double end_ms = std::exp2(static_cast<double>(bucket + 1) / kBucketsAnOctave);
  return std::chrono::ceil<Clock::duration>(std::chrono::duration<double, std::milli>(end_ms));
}

void HedgeBudget::count_call() { hundredths_ = std::min(hundredths_ + percent_, kSavedMost * 100); }

}  // namespace plugfleet
