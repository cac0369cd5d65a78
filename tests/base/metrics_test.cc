#include "base/metrics.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "support/check.h"

using namespace plugfleet;

namespace {

std::string folder() {
  char name[] = "/tmp/plugfleet-metrics-XXXXXX";
  CHECK(::mkdtemp(name));
  return name;
}

std::int64_t value_of(const std::string& name) {
  for (const Metric& metric : metrics_snapshot()) {
    if (metric.name == name) return metric.value;
  }
  return -1;
}

// Runs `work` as another process of the fleet would: in a slot of its own, and then it is gone.
void in_another_process(const std::string& directory, int slot, void (*work)()) {
  const pid_t child = ::fork();
  if (child == 0) {
    metrics_open(directory, "worker", slot);
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK_EQ(status, 0);
}

}  // namespace

TEST(any_process_adds_up_all_of_them) {
  const std::string directory = folder();
  metrics_open(directory, "worker", 0);
  counter("shared_total").add(5);
  in_another_process(directory, 1, [] { counter("shared_total").add(7); });
  CHECK_EQ(value_of("shared_total"), 12);
  std::filesystem::remove_all(directory);
}

TEST(a_counter_goes_on_where_the_process_before_left_it_and_a_gauge_does_not) {
  const std::string directory = folder();
  metrics_open(directory, "worker", 0);
  for (int i = 0; i < 2; ++i) {
    in_another_process(directory, 1, [] {
      counter("again_total").add(3);
      gauge("held").add(1);
    });
  }
  CHECK_EQ(value_of("again_total"), 6);
  CHECK_EQ(value_of("held"), -1);  // the process is gone, and what it held with it
  std::filesystem::remove_all(directory);
}

TEST(a_file_of_something_else_is_begun_anew) {
  const std::string directory = folder();
  std::FILE* const file = std::fopen((directory + "/worker-00.cells").c_str(), "w");
  std::fputs("not cells at all", file);
  std::fclose(file);
  metrics_open(directory, "worker", 0);
  counter("fresh_total").add();
  CHECK_EQ(value_of("fresh_total"), 1);
  std::filesystem::remove_all(directory);
}

TEST(a_file_with_holes_has_them_filled_before_it_is_used) {
  const std::string directory = folder();
  const std::string path = directory + "/worker-00.cells";
  metrics_open(directory, "worker", 0);
  struct stat whole{};
  CHECK_EQ(::stat(path.c_str(), &whole), 0);
  CHECK(whole.st_blocks * 512 >= whole.st_size);
  CHECK_EQ(::truncate(path.c_str(), 0), 0);
  CHECK_EQ(::truncate(path.c_str(), whole.st_size), 0);
  metrics_open(directory, "worker", 0);
  struct stat filled{};
  CHECK_EQ(::stat(path.c_str(), &filled), 0);
  CHECK(filled.st_blocks * 512 >= filled.st_size);
  std::filesystem::remove_all(directory);
}

// A limit on a file's size stands for a full disk.
TEST(without_room_for_its_file_a_process_goes_on) {
  const std::string directory = folder();
  metrics_open(directory, "worker", 0);
  counter("room_total").add(1);
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &small);
    metrics_open(directory, "worker", 1);
    counter("room_total").add(2);
    gauge("room_ready").set(1);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK_EQ(status, 0);
  CHECK_EQ(metrics_by_process(directory).size(), 1u);  // a file that is not whole is nobody's
  std::filesystem::remove_all(directory);
}

TEST(prometheus_text_is_cumulative_in_its_buckets) {
  const std::string directory = folder();
  metrics_open(directory, "worker", 0);
  const Histogram seconds = histogram("seconds", "route=\"GET /x\"");
  seconds.observe(milliseconds(1));
  seconds.observe(milliseconds(40));
  seconds.observe(std::chrono::minutes(5));
  const std::string text = prometheus_text(metrics_snapshot());
  CHECK_CONTAINS(text, "# TYPE seconds histogram\n");
  CHECK_CONTAINS(text, "seconds_bucket{route=\"GET /x\",le=\"0.001\"} 1\n");
  CHECK_CONTAINS(text, "seconds_bucket{route=\"GET /x\",le=\"0.05\"} 2\n");
  CHECK_CONTAINS(text, "seconds_bucket{route=\"GET /x\",le=\"+Inf\"} 3\n");
  CHECK_CONTAINS(text, "seconds_count{route=\"GET /x\"} 3\n");
  CHECK_CONTAINS(text, "seconds_sum{route=\"GET /x\"} 300.041000\n");
  std::filesystem::remove_all(directory);
}

TEST(each_name_is_explained_once_whichever_process_explained_it) {
  const std::string directory = folder();
  metrics_open(directory, "worker", 0);
  counter("told_total", "a=\"1\"").add();
  in_another_process(directory, 1, [] { counter("told_total", "a=\"2\"", "What {is} told.").add(); });
  CHECK_CONTAINS(prometheus_text(metrics_snapshot()),
                 "# HELP told_total What {is} told.\n# TYPE told_total counter\ntold_total{a=\"1\"} 1\n");
  std::filesystem::remove_all(directory);
}

TEST(a_fleet_of_many_routes_has_a_cell_for_each) {
  const std::string directory = folder();
  metrics_open(directory, "worker", 0);
  const auto label = [](int i) { return "route=\"GET /a/route/of/many/" + std::to_string(i) + "\""; };
  for (int i = 0; i < 300; ++i) histogram("routes_seconds", label(i)).observe(milliseconds(i));
  metrics_open(directory, "worker", 0);  // the next process in this slot
  for (int i = 0; i < 300; ++i) histogram("routes_seconds", label(i)).observe(milliseconds(i));
  const std::string text = prometheus_text(metrics_snapshot());
  for (int i = 0; i < 300; ++i) CHECK_CONTAINS(text, "routes_seconds_count{" + label(i) + "} 2\n");
  std::filesystem::remove_all(directory);
}

TEST(a_label_that_is_too_long_is_not_cut_into_anothers) {
  const std::string directory = folder();
  metrics_open(directory, "worker", 0);
  const std::string half(150, 'x');
  counter("long_total", "a=\"" + half + "1\"").add(1);
  counter("long_total", "a=\"" + half + half + "1\"").add(1);
  counter("long_total", "a=\"" + half + half + "2\"").add(1);
  CHECK_EQ(value_of("long_total"), 1);
  CHECK(!prometheus_text(metrics_snapshot()).contains(half + half));
  std::filesystem::remove_all(directory);
}

TEST(quantiles_are_interpolated_within_their_bucket) {
  std::vector<std::int64_t> buckets(kBucketCount);
  CHECK_EQ(bucket_quantile(buckets, 0.5), 0.0);
  buckets[2] = 100;  // 0.5 to 1 ms
  CHECK_EQ(bucket_quantile(buckets, 0.5), 0.75);
  buckets.back() = 1000;  // over the last bound: told as the last bound
  CHECK_EQ(bucket_quantile(buckets, 0.99), 120'000.0);
}

TEST(each_process_is_told_apart_and_one_that_is_gone_keeps_only_its_counters) {
  const std::string directory = folder();
  metrics_open(directory, "worker", 0);
  counter("own_total").add(1);
  gauge("own_ready").set(1);
  in_another_process(directory, 12, [] {
    counter("own_total").add(2);
    gauge("own_ready").set(1);
  });
  const auto processes = metrics_by_process(directory);
  CHECK_EQ(processes.size(), 2u);
  CHECK_EQ(processes[0].slot, 0);
  CHECK_EQ(processes[0].pid, ::getpid());
  CHECK(processes[0].alive);
  CHECK_EQ(processes[1].pool, "worker");
  CHECK_EQ(processes[1].slot, 12);
  CHECK(!processes[1].alive);
  const auto has = [](const ProcessMetrics& process, const std::string& name, std::int64_t value) {
    return std::ranges::any_of(process.metrics, [&](const Metric& m) { return m.name == name && m.value == value; });
  };
  CHECK(has(processes[0], "own_ready", 1));
  CHECK(has(processes[1], "own_total", 2));
  CHECK(std::ranges::none_of(processes[1].metrics, [](const Metric& m) { return m.name == "own_ready"; }));
  std::filesystem::remove_all(directory);
}
