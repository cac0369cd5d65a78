#include "base/metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <tuple>

#include "base/failure.h"
#include "base/log.h"

namespace plugfleet {
namespace {

constexpr std::uint64_t kMagic = 0x31736c6c65636670;  // "pfcells1"
constexpr std::size_t kCellMax = 2048;
constexpr std::string_view kSuffix = ".cells";

// The file's layout. A key is type, bucket, name and labels: "c00plugfleet_requests_total{route="..."}".
struct Cell {
  std::atomic<std::uint64_t> value;
  char key[120];
};
struct File {
  std::uint64_t magic;
  std::atomic<std::int64_t> pid;
  std::atomic<std::uint64_t> count;
  char pad[104];
  Cell cells[kCellMax];
};
static_assert(sizeof(Cell) == 128 && offsetof(File, cells) == 128);

// Null, and errno, where it can't be. Every byte gets its place on the disk before it is touched: writing into a hole
// of a file on a full one is a SIGBUS.
File* map_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0660);
  if (fd < 0) return nullptr;
  struct stat status{};
  int why = ::fstat(fd, &status) == 0 ? 0 : errno;
  if (why == 0 && status.st_size > off_t{sizeof(File)} && ::ftruncate(fd, sizeof(File)) != 0) why = errno;
  if (why == 0) why = ::posix_fallocate(fd, 0, sizeof(File));
  void* where = MAP_FAILED;
  if (why == 0) {
    where = ::mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    why = errno;
  }
  ::close(fd);
  errno = why;
  return where == MAP_FAILED ? nullptr : static_cast<File*>(where);
}

// Another process's. It is read, not mapped: one that is cut short meanwhile, or has a hole, would be a SIGBUS.
bool read_cells(const std::string& path, File& file) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const auto got = ::pread(fd, static_cast<void*>(&file), sizeof file, 0);
  ::close(fd);
  return got == ssize_t{sizeof file} && file.magic == kMagic;
}

template <class F>
void each_file(const std::string& directory, F with) {
  DIR* const dir = ::opendir(directory.c_str());
  if (!dir) return;
  const auto file = std::make_unique<File>();
  while (const dirent* const entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (!name.ends_with(kSuffix)) continue;
    if (read_cells(fmt::format("{}/{}", directory, name), *file))
      with(name.substr(0, name.size() - kSuffix.size()), *file);
  }
  ::closedir(dir);
}

bool is_alive(const File& file) {
  return file.pid > 0 && (::kill(static_cast<pid_t>(file.pid), 0) == 0 || errno == EPERM);
}

using Sums = std::map<std::tuple<std::string, std::string, char, int>, std::int64_t>;

void add_up(const File& file, Sums& sums) {
  const bool alive = is_alive(file);
  const std::size_t count = std::min<std::size_t>(file.count.load(std::memory_order_acquire), kCellMax);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view key(file.cells[i].key, ::strnlen(file.cells[i].key, sizeof(Cell::key)));
    const std::size_t brace = key.find('{');
    if (key.size() < 4 || brace == key.npos || (key[0] == 'g' && !alive)) continue;
    const int bucket = (key[1] - '0') * 10 + (key[2] - '0');
    std::string labels(key.substr(brace + 1));
    if (labels.ends_with('}')) labels.pop_back();
    sums[{std::string(key.substr(3, brace - 3)), labels, key[0], bucket}] +=
        static_cast<std::int64_t>(file.cells[i].value.load(std::memory_order_relaxed));
  }
}

std::vector<Metric> listed(const Sums& sums) {
  std::vector<Metric> metrics;
  metrics.reserve(sums.size());
  for (const auto& [key, value] : sums) {
    const auto& [name, labels, type, bucket] = key;
    metrics.push_back({type, name, labels, bucket, value});
  }
  return metrics;
}

}  // namespace

class Cells {
 public:
  std::atomic<std::uint64_t>* find_or_add(char type, int bucket, std::string_view name, std::string_view labels) {
    const std::string key = fmt::format("{}{:02}{}{{{}}}", type, bucket, name, labels).substr(0, sizeof(Cell::key) - 1);
    const std::lock_guard lock(mutex_);
    const auto known = index_.find(key);
    if (known != index_.end()) return &file_->cells[known->second].value;
    const auto at = file_->count.load();
    if (at == kCellMax) return &overflow_;  // better an uncounted event than a lost request
    std::memcpy(file_->cells[at].key, key.c_str(), key.size() + 1);
    file_->count.store(at + 1, std::memory_order_release);
    index_.emplace(key, at);
    return &file_->cells[at].value;
  }

  template <class T>
  T single(char type, std::string_view name, std::string_view labels) {
    T metric;
    metric.cell_ = find_or_add(type, 0, name, labels);
    return metric;
  }

  Histogram histogram(std::string_view name, std::string_view labels) {
    Histogram metric;
    for (std::size_t i = 0; i < kBucketCount; ++i) {
      metric.buckets_[i] = find_or_add('h', static_cast<int>(i), name, labels);
    }
    metric.sum_us_ = find_or_add('s', 0, name, labels);
    return metric;
  }

  void open(const std::string& directory, const std::string& pool, int slot) {
    ::mkdir(directory.c_str(), 0750);
    const std::string path = fmt::format("{}/{}-{:02}{}", directory, pool, slot, kSuffix);
    File* const file = map_file(path);
    const std::string why = std::generic_category().message(errno);
    const std::lock_guard lock(mutex_);
    directory_ = directory;
    own_.pid = ::getpid();
    if (!file) return log(Severity::error, "metrics_kept_to_itself", {{"path", path}, {"why", why}});
    if (file->magic != kMagic || file->count > kCellMax) {
      std::memset(static_cast<void*>(file), 0, sizeof(File));
      file->magic = kMagic;
    }
    file_ = file;
    index_.clear();
    for (std::size_t i = 0; i < file->count; ++i) {
      if (file->cells[i].key[0] == 'g') file->cells[i].value = 0;
      index_.emplace(file->cells[i].key, i);
    }
    file->pid = ::getpid();
  }

  std::vector<Metric> snapshot() {
    Sums sums;
    if (file_ == &own_) add_up(own_, sums);
    if (!directory_.empty()) each_file(directory_, [&](const std::string&, const File& file) { add_up(file, sums); });
    return listed(sums);
  }

  std::mutex mutex_;
  std::string directory_;
  File own_{};          // until a file is mapped
  File* file_ = &own_;  // never unmapped: cells are used until the process ends
  std::map<std::string, std::size_t, std::less<>> index_;
  std::atomic<std::uint64_t> overflow_{0};
};

namespace {
Cells& cells() {
  static Cells* const the_cells = new Cells;
  return *the_cells;
}
}  // namespace

void Histogram::observe(Clock::duration duration) const {
  const double ms = to_ms(duration);
  const auto bucket = std::lower_bound(std::begin(kBucketsMs), std::end(kBucketsMs), ms) - std::begin(kBucketsMs);
  buckets_[bucket]->fetch_add(1, std::memory_order_relaxed);
  sum_us_->fetch_add(static_cast<std::uint64_t>(ms * 1000), std::memory_order_relaxed);
}

void metrics_open(const std::string& directory, const std::string& pool, int slot) {
  cells().open(directory, pool, slot);
}

Counter counter(std::string_view name, std::string_view labels) { return cells().single<Counter>('c', name, labels); }
Gauge gauge(std::string_view name, std::string_view labels) { return cells().single<Gauge>('g', name, labels); }
Histogram histogram(std::string_view name, std::string_view labels) { return cells().histogram(name, labels); }
std::vector<Metric> metrics_snapshot() { return cells().snapshot(); }

std::vector<ProcessMetrics> metrics_by_process(const std::string& directory) {
  std::vector<ProcessMetrics> processes;
  each_file(directory, [&](const std::string& name, const File& file) {
    const std::size_t dash = name.rfind('-');
    if (dash == name.npos) return;
    Sums sums;
    add_up(file, sums);
    processes.push_back({.pool = name.substr(0, dash),
                         .slot = std::atoi(name.c_str() + dash + 1),
                         .pid = file.pid,
                         .alive = is_alive(file),
                         .metrics = listed(sums)});
  });
  std::ranges::sort(processes, {}, [](const ProcessMetrics& p) { return std::tuple(p.pool, p.slot); });
  return processes;
}

std::string prometheus_text(const std::vector<Metric>& metrics) {
  std::string out, family;
  std::int64_t cumulative = 0;
  for (const Metric& metric : metrics) {
    if (metric.name != family) {
      family = metric.name;
      const char* const type = metric.type == 'c' ? "counter" : metric.type == 'g' ? "gauge" : "histogram";
      fmt::format_to(std::back_inserter(out), "# TYPE {} {}\n", family, type);
    }
    const std::string braces = metric.labels.empty() ? "" : "{" + metric.labels + "}";
    if (metric.type == 's') {  // sorts after its buckets, so the running total is complete
      fmt::format_to(std::back_inserter(out), "{0}_sum{1} {2:.6f}\n{0}_count{1} {3}\n", family, braces,
                     static_cast<double>(metric.value) / 1e6, cumulative);
    } else if (metric.type == 'h') {
      cumulative = metric.bucket == 0 ? metric.value : cumulative + metric.value;
      const auto bucket = static_cast<std::size_t>(metric.bucket);
      const std::string bound = bucket < std::size(kBucketsMs) ? fmt::format("{}", kBucketsMs[bucket] / 1000) : "+Inf";
      fmt::format_to(std::back_inserter(out), "{}_bucket{{{}{}le=\"{}\"}} {}\n", family, metric.labels,
                     metric.labels.empty() ? "" : ",", bound, cumulative);
    } else {
      fmt::format_to(std::back_inserter(out), "{}{} {}\n", family, braces, metric.value);
    }
  }
  return out;
}

double bucket_quantile(const std::vector<std::int64_t>& buckets, double quantile) {
  std::int64_t total = 0;
  for (const auto count : buckets) total += count;
  if (total == 0) return 0;
  const double wanted = quantile * static_cast<double>(total);
  double below = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    const double here = static_cast<double>(buckets[i]);
    if (here > 0 && below + here >= wanted) {
      if (i >= std::size(kBucketsMs)) break;
      const double low = i == 0 ? 0 : kBucketsMs[i - 1];
      return low + (kBucketsMs[i] - low) * (wanted - below) / here;
    }
    below += here;
  }
  return kBucketsMs[std::size(kBucketsMs) - 1];
}

}  // namespace plugfleet
