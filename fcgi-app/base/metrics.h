// Metric cells: numbers that every process of the fleet keeps and any of them can add up.
//
// A process keeps its cells in a small mapped file under the runtime folder (on tmpfs), named after its pool and slot.
// A process that follows in the same slot takes the counters over, so they never fall; gauges start at 0 again, and
// those of a process that is gone are not counted. The file grows with its cells. metrics_snapshot() reads all files:
// any worker answers for the fleet.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace plugfleet {

class Counter {
 public:
  void add(std::uint64_t n = 1) const { cell_->fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return cell_->load(std::memory_order_relaxed); }

 private:
  friend class Cells;
  std::atomic<std::uint64_t>* cell_ = nullptr;
};

class Gauge {
 public:
  void add(std::int64_t n) const { cell_->fetch_add(static_cast<std::uint64_t>(n), std::memory_order_relaxed); }
  void set(std::int64_t n) const { cell_->store(static_cast<std::uint64_t>(n), std::memory_order_relaxed); }
  std::int64_t value() const { return static_cast<std::int64_t>(cell_->load(std::memory_order_relaxed)); }

 private:
  friend class Cells;
  std::atomic<std::uint64_t>* cell_ = nullptr;
};

// Upper bounds of a histogram's buckets, in milliseconds; the last bucket is +Inf.
inline constexpr double kBucketsMs[] = {0.25, 0.5, 1,   2,   3,   5,    7.5,  10,   15,    25,    50,    75,
                                        100,  200, 350, 500, 750, 1000, 2000, 5000, 10000, 30000, 120000};
inline constexpr std::size_t kBucketCount = std::size(kBucketsMs) + 1;

class Histogram {
 public:
  void observe(Clock::duration duration) const;

 private:
  friend class Cells;
  std::atomic<std::uint64_t>* buckets_[kBucketCount] = {};  // not cumulative; made cumulative when shown
  std::atomic<std::uint64_t>* sum_us_ = nullptr;
};

// Opens this process's file. Cells taken before, all of them in unit tests, stay in this process's memory alone.
// Throws Failure. `directory` is made if it is missing.
void metrics_open(const std::string& directory, const std::string& pool, int slot);

// `name` as Prometheus wants it; `labels` without braces: `route="GET /x"`; `help`, wherever the name is used first,
// says what is counted. The same name and labels give the same cell. A name with labels or help of over 240 bytes, or
// one that finds no room, counts nowhere, and the log says so.
Counter counter(std::string_view name, std::string_view labels = "", std::string_view help = "");
Gauge gauge(std::string_view name, std::string_view labels = "", std::string_view help = "");
Histogram histogram(std::string_view name, std::string_view labels = "", std::string_view help = "");

struct Metric {
  char type;  // 'c' counter, 'g' gauge, 'h' a histogram's bucket, 's' its sum in microseconds, 'd' what it is, in
              // `labels`
  std::string name, labels;
  int bucket = 0;
  std::int64_t value = 0;
};

// Every process's cells, added up by name and labels, in order; a gauge without labels for each pool: pool="worker".
std::vector<Metric> metrics_snapshot();

struct ProcessMetrics {
  std::string pool;
  int slot = 0;
  std::int64_t pid = 0;  // of the last process in this slot
  bool alive = false;    // else its gauges are not among `metrics`
  std::vector<Metric> metrics;
};

// Each process's own cells, by pool and slot, those of one pool where it is named. Empty where there is no such directory.
std::vector<ProcessMetrics> metrics_by_process(const std::string& directory, std::string_view pool = "");

// Prometheus text format 0.0.4.
std::string prometheus_text(const std::vector<Metric>& metrics);

// The value below which `quantile` (0 to 1) of the samples of `buckets` (not cumulative) lie, in ms, interpolated.
double bucket_quantile(const std::vector<std::int64_t>& buckets, double quantile);

}  // namespace plugfleet
