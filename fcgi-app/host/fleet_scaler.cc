#include "host/fleet_scaler.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <optional>

#include "base/files.h"
#include "base/log.h"

namespace plugfleet {
namespace {

constexpr auto kComesUp = 5s;  // at the most, until supervisord says that a process it started runs

// RUN/slots.lock, as long as it lives; the scripts that replace processes hold it too (scripts/lib/slots.sh).
class SlotsLock {
 public:
  explicit SlotsLock(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    held_ = fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
  }
  ~SlotsLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  SlotsLock(const SlotsLock&) = delete;
  bool held() const { return held_; }

 private:
  const int fd_;
  bool held_ = false;
};

std::int64_t sum(const ProcessMetrics& process, std::string_view name) {
  std::int64_t total = 0;
  for (const Metric& metric : process.metrics) {
    if (metric.type == 'g' && metric.name == name) total += metric.value;
  }
  return total;
}

std::int64_t lasting(const ProcessMetrics& process) {
  return sum(process, "plugfleet_streams") + sum(process, "plugfleet_runner_running");
}

// In the machine, and in the control group that systemd gave the fleet (MemoryMax).
bool memory_is_left_here() {
  const auto text = [](const std::string& path) { return read_file(path).value_or(""); };
  if (!memory_is_left(text("/proc/meminfo"))) return false;
  const std::string groups = text("/proc/self/cgroup");
  if (!groups.starts_with("0::/")) return true;
  const std::string folder = "/sys/fs/cgroup" + groups.substr(3, groups.find('\n') - 3);
  return group_memory_is_left(text(folder + "/memory.max"), text(folder + "/memory.current"),
                              text(folder + "/memory.stat"));
}

Slot::State state_of(std::string_view state) {
  if (state == "RUNNING") return Slot::State::running;
  if (state == "STARTING") return Slot::State::coming;
  if (state == "STOPPED" || state == "EXITED") return Slot::State::stopped;
  if (state == "STOPPING") return Slot::State::going;
  return Slot::State::failed;
}

std::string name_of(const std::string& pool, int slot) { return fmt::format("{0}:{0}_{1:02}", pool, slot); }

std::vector<Slot> slots_of(const FleetPool& pool, const std::vector<SupervisedProcess>& supervised,
                           const std::vector<ProcessMetrics>& processes) {
  std::vector<Slot> slots;
  for (const SupervisedProcess& each : supervised) {
    const std::size_t mark = each.name.rfind('_');
    if (each.group != pool.name || mark == each.name.npos) continue;
    slots.push_back({.number = std::atoi(each.name.c_str() + mark + 1), .state = state_of(each.state)});
  }
  std::ranges::sort(slots, {}, &Slot::number);
  std::erase_if(slots, [&pool](const Slot& slot) { return slot.number >= pool.most; });  // spare, and the holder
  for (Slot& slot : slots) {
    for (const ProcessMetrics& process : processes) {
      if (process.pool != pool.name || process.slot != slot.number || !process.alive) continue;
      slot.lasting = lasting(process);
      slot.busy = slot.lasting + sum(process, "plugfleet_in_flight");
    }
  }
  return slots;
}

// Of kind="NAME".
std::string_view kind_of(const Metric& metric) {
  const std::string_view labels = metric.labels;
  const std::size_t from = labels.find("kind=\"");
  if (from == labels.npos) return "";
  const std::size_t begin = from + std::string_view("kind=\"").size();
  return labels.substr(begin, labels.find('"', begin) - begin);
}

std::string ago(Clock::duration passed) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(passed).count();
  return seconds < 120 ? fmt::format("{} s ago", seconds) : fmt::format("{} min ago", seconds / 60);
}

}  // namespace

FleetScaler::FleetScaler(Platform& platform, const std::vector<FleetPool>& pools, PoolNames pools_of_jobs)
    : platform_(platform),
      supervisor_(platform.http, platform.settings.run_dir + "/supervisor.sock"),
      pools_of_jobs_(std::move(pools_of_jobs)) {
  const Settings& s = platform.settings;
  if (s.run_dir.empty()) return;
  for (const FleetPool& pool : pools) {
    if (pool.least == pool.most) continue;
    const Clock::duration idle = pool.idle > Clock::duration{} ? pool.idle : s.scale_down_after;
    pools_.push_back({pool, PoolScaler(pool.least, idle), {}, {}, {}});
  }
}

Async<void> FleetScaler::look() {
  const SlotsLock lock(platform_.settings.run_dir + "/slots.lock");
  if (!lock.held()) co_return;
  const auto processes = metrics_by_process(platform_.settings.run_dir + "/metrics");
  const std::vector<SupervisedProcess> supervised = co_await supervisor_.states();
  const bool memory_left = memory_is_left_here();
  std::string text;
  for (Pool& pool : pools_) {
    const auto now = Clock::now();
    const PoolLook look{.at = now,
                        .slots = slots_of(pool, supervised, processes),
                        .need = pool.kind == FleetPool::Kind::workers ? need_of_workers(pool, processes)
                                                                      : need_of(runner_load(pool, processes)),
                        .memory_left = memory_left};
    const ScalingDecision decision = pool.scaler.decide(look);
    auto running = static_cast<int>(std::ranges::count(look.slots, Slot::State::running, &Slot::state));
    if (decision.step != ScalingDecision::Step::stay) {
      co_await act(pool, decision, running);
      running += decision.step == ScalingDecision::Step::start ? 1 : -1;
    }
    text += fmt::format("{}{} {} of {}-{}", text.empty() ? "" : "; ", pool.name, running, pool.least, pool.most);
    if (decision.step == ScalingDecision::Step::stay && !decision.why.empty()) {
      text += fmt::format(" ({})", decision.why);
    } else if (!pool.why.empty()) {
      text += fmt::format(" ({}, {})", pool.why, ago(Clock::now() - pool.since));
    }
  }
  tell(text);
}

RunnerLoad FleetScaler::runner_load(const Pool& pool, const std::vector<ProcessMetrics>& processes) {
  RunnerLoad load{.on_demand = pool.on_demand()};
  for (const ProcessMetrics& process : processes) {
    if (!process.alive) continue;
    if (process.pool == pool.name && sum(process, "plugfleet_ready") == 1) {
      ++load.ready;
      load.running += lasting(process);
      load.places = std::max(load.places, sum(process, "plugfleet_runner_places"));
    }
    if (process.pool != "keeper") continue;
    for (const Metric& metric : process.metrics) {
      if (!metric.name.starts_with("plugfleet_jobs_") ||
          pool_of(pools_of_jobs_, kind_of(metric), kRunnerPool) != pool.name)
        continue;
      if (metric.name == "plugfleet_jobs_ready") load.waiting += metric.value;
      if (metric.name == "plugfleet_jobs_oldest_seconds")
        load.oldest = std::max<Clock::duration>(load.oldest, std::chrono::seconds(metric.value));
    }
  }
  return load;
}

// Waiting times count whichever process saw them, one that is gone since included.
Need FleetScaler::need_of_workers(Pool& pool, const std::vector<ProcessMetrics>& processes) {
  WorkerLoad load;
  std::vector<std::int64_t> queue(kBucketCount);
  for (const ProcessMetrics& process : processes) {
    if (process.pool != pool.name) continue;
    for (const Metric& metric : process.metrics) {
      if (metric.type == 'h' && metric.name == "plugfleet_queue_seconds")
        queue.at(static_cast<std::size_t>(metric.bucket)) += metric.value;
    }
    if (!process.alive || sum(process, "plugfleet_ready") != 1) continue;
    ++load.ready;
    load.in_flight += sum(process, "plugfleet_in_flight");
  }
  if (!pool.queue_before.empty()) {
    std::vector<std::int64_t> since(kBucketCount);
    std::ranges::transform(queue, pool.queue_before, since.begin(), [](std::int64_t now, std::int64_t before) {
      return std::max<std::int64_t>(0, now - before);
    });
    load.queued = std::accumulate(since.begin(), since.end(), std::int64_t{0});
    if (load.queued > 0) load.queue_p95_ms = bucket_quantile(since, 0.95);
  }
  pool.queue_before = std::move(queue);
  return need_of(load);
}

// Holds the lock until a process it started runs, so that a script that replaces all that run finds it.
Async<void> FleetScaler::act(Pool& pool, ScalingDecision decision, int running) {
  const bool start = decision.step == ScalingDecision::Step::start;
  const std::string name = name_of(pool.name, decision.slot);
  pool.scaler.acted(decision, Clock::now());  // before it is tried: what fails is not tried every second
  if (start) {
    co_await supervisor_.start(name);
  } else {
    co_await supervisor_.stop(name);
  }
  pool.why = decision.why;
  pool.since = Clock::now();
  log(Severity::info, "scaled",
      {{"pool", pool.name},
       {"from", running},
       {"to", running + (start ? 1 : -1)},
       {"slot", decision.slot},
       {"why", decision.why}});
  for (bool coming = start; coming && Clock::now() - pool.since < kComesUp;) {
    co_await sleep_for(200ms);
    const std::vector<SupervisedProcess> supervised = co_await supervisor_.states();
    coming = std::ranges::any_of(supervised, [&](const SupervisedProcess& each) {
      return name == each.group + ":" + each.name && each.state == "STARTING";
    });
  }
}

void FleetScaler::tell(const std::string& text) {
  if (text == told_) return;
  const std::string path = platform_.settings.run_dir + "/scaling", fresh = path + ".new";
  std::ofstream(fresh) << text << '\n';
  if (std::rename(fresh.c_str(), path.c_str()) == 0) told_ = text;
}

}  // namespace plugfleet
