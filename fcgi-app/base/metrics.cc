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
#include <mutex>
#include <new>
#include <tuple>

#include "base/failure.h"
#include "base/log.h"

namespace plugfleet {
namespace {

constexpr std::uint64_t kMagic = 0x32736c6c65636670;  // "pfcells2"
constexpr std::size_t kCellMax = 1 << 14;
constexpr std::size_t kGrowth = 64;  // cells
constexpr std::string_view kSuffix = ".cells";

// A file is its head and then `count` cells. A key is type, bucket, name and labels:
// "c00plugfleet_requests_total{route="..."}", or "d00plugfleet_requests_total{what that is}".
struct Cell {
  std::atomic<std::uint64_t> value;
  char key[248];
};
struct File {
  std::uint64_t magic;
  std::atomic<std::int64_t> pid;
  std::atomic<std::uint64_t> count;
  char pad[232];
};
static_assert(sizeof(Cell) == 256 && sizeof(File) == 256);

constexpr std::size_t bytes_of(std::size_t cells) { return sizeof(File) + cells * sizeof(Cell); }
constexpr std::size_t cells_in(std::size_t bytes) {
  return bytes < sizeof(File) ? 0 : (bytes - sizeof(File)) / sizeof(Cell);
}
Cell* cells_of(File* file) { return reinterpret_cast<Cell*>(file + 1); }
const Cell* cells_of(const File* file) { return reinterpret_cast<const Cell*>(file + 1); }

// The address space of a file at its largest, of which what lies beyond the file's end must not be touched. Without a
// file it is memory, taken as it is touched.
File* map(int fd) {
  const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
  void* const where = ::mmap(nullptr, bytes_of(kCellMax), PROT_READ | PROT_WRITE, flags, fd, 0);
  return where == MAP_FAILED ? nullptr : static_cast<File*>(where);
}

// Every byte gets its place on the disk before it is touched: writing into a hole of a file on a full one is a SIGBUS.
int make_room(int fd, std::size_t cells) { return ::posix_fallocate(fd, 0, static_cast<off_t>(bytes_of(cells))); }

// Another process's cells, in `words`. They are read, not mapped: a file that is cut short meanwhile would be a SIGBUS.
struct Read {
  const File* file = nullptr;
  std::size_t count = 0;
};
Read read_cells(const std::string& path, std::vector<std::uint64_t>& words) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  struct stat status{};
  const bool known = ::fstat(fd, &status) == 0;
  words.resize(known ? std::min(static_cast<std::size_t>(status.st_size), bytes_of(kCellMax)) / sizeof(std::uint64_t)
                     : 0);
  const auto got = ::pread(fd, words.data(), words.size() * sizeof(std::uint64_t), 0);
  ::close(fd);
  if (got < ssize_t{sizeof(File)}) return {};
  const auto* const file = reinterpret_cast<const File*>(words.data());
  if (file->magic != kMagic) return {};
  return {file, std::min<std::size_t>(file->count, cells_in(static_cast<std::size_t>(got)))};
}

template <class F>
void each_file(const std::string& directory, std::string_view beginning, F with) {
  DIR* const dir = ::opendir(directory.c_str());
  if (!dir) return;
  std::vector<std::uint64_t> words;
  while (const dirent* const entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (!name.ends_with(kSuffix) || !name.starts_with(beginning)) continue;
    const Read read = read_cells(fmt::format("{}/{}", directory, name), words);
    if (read.file) with(name.substr(0, name.size() - kSuffix.size()), read);
  }
  ::closedir(dir);
}

bool is_alive(const File& file) {
  return file.pid > 0 && (::kill(static_cast<pid_t>(file.pid), 0) == 0 || errno == EPERM);
}

using Sums = std::map<std::tuple<std::string, std::string, char, int>, std::int64_t>;

// Gauges without labels get the pool's, where it is named.
void add_up(const Read& read, Sums& sums, std::string_view pool = "") {
  const bool alive = is_alive(*read.file);
  for (std::size_t i = 0; i < read.count; ++i) {
    const Cell& cell = cells_of(read.file)[i];
    const std::string_view key(cell.key, ::strnlen(cell.key, sizeof(Cell::key)));
    const std::size_t brace = key.find('{');
    if (key.size() < 4 || brace == key.npos || (key[0] == 'g' && !alive)) continue;
    const int bucket = (key[1] - '0') * 10 + (key[2] - '0');
    std::string labels(key.substr(brace + 1));
    if (labels.ends_with('}')) labels.pop_back();
    if (key[0] == 'g' && labels.empty() && !pool.empty()) labels = fmt::format("pool=\"{}\"", pool);
    sums[{std::string(key.substr(3, brace - 3)), labels, key[0], bucket}] +=
        static_cast<std::int64_t>(cell.value.load(std::memory_order_relaxed));
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
  Cells() {
    if (!file_) throw std::bad_alloc();
  }

  // Better an uncounted event than a lost request: one that finds no room counts into `nowhere_`.
  std::atomic<std::uint64_t>* find_or_add(char type, int bucket, std::string_view name, std::string_view labels) {
    const std::string key = fmt::format("{}{:02}{}{{{}}}", type, bucket, name, labels);
    const std::lock_guard lock(mutex_);
    const auto known = index_.find(key);
    if (known != index_.end()) return &cells_of(file_)[known->second].value;
    const auto at = file_->count.load();
    if (key.size() >= sizeof(Cell::key) || (at == room_ && !grow())) {
      log(Severity::warning, "metric_not_counted", {{"metric", key}});
      return &nowhere_;
    }
    Cell& cell = cells_of(file_)[at];
    std::memcpy(cell.key, key.c_str(), key.size() + 1);
    file_->count.store(at + 1, std::memory_order_release);
    index_.emplace(key, at);
    return &cell.value;
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

  void describe(std::string_view name, std::string_view help) {
    if (!help.empty()) find_or_add('d', 0, name, help);
  }

  void open(const std::string& directory, const std::string& pool, int slot) {
    ::mkdir(directory.c_str(), 0750);
    const std::string path = fmt::format("{}/{}-{:02}{}", directory, pool, slot, kSuffix);
    const std::lock_guard lock(mutex_);
    directory_ = directory;
    if (fd_ < 0) file_->pid = ::getpid();
    const int why = take(path);
    if (why != 0)
      log(Severity::error, "metrics_kept_to_itself", {{"path", path}, {"why", std::generic_category().message(why)}});
  }

  std::vector<Metric> snapshot() {
    Sums sums;
    if (fd_ < 0) add_up({file_, file_->count}, sums);
    if (directory_.empty()) return listed(sums);
    each_file(directory_, "", [&](const std::string& name, const Read& read) {
      add_up(read, sums, std::string_view(name).substr(0, name.rfind('-')));
    });
    return listed(sums);
  }

 private:
  // The process's own file, with what the one before it in its slot counted; 0 or an errno.
  int take(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    if (fd < 0) return errno;
    struct stat status{};
    int why = ::fstat(fd, &status) == 0 ? 0 : errno;
    const std::size_t room = std::clamp(cells_in(static_cast<std::size_t>(status.st_size)), kGrowth, kCellMax);
    if (why == 0) why = make_room(fd, room);
    File* const file = why == 0 ? map(fd) : nullptr;
    if (!file) {
      if (why == 0) why = errno;
      ::close(fd);
      return why;
    }
    if (file->magic != kMagic || file->count > room) {
      std::memset(static_cast<void*>(file), 0, bytes_of(room));
      file->magic = kMagic;
    }
    index_.clear();
    for (std::size_t i = 0; i < file->count; ++i) {
      Cell& cell = cells_of(file)[i];
      cell.key[sizeof(Cell::key) - 1] = 0;
      if (cell.key[0] == 'g') cell.value = 0;
      index_.emplace(cell.key, i);
    }
    file->pid = ::getpid();
    file_ = file;
    fd_ = fd;
    room_ = room;
    return 0;
  }

  bool grow() {
    if (fd_ < 0 || room_ == kCellMax || make_room(fd_, room_ + kGrowth) != 0) return false;
    room_ += kGrowth;
    return true;
  }

  std::mutex mutex_;
  std::string directory_;
  File* file_ = map(-1);  // never unmapped: cells are used until the process ends
  int fd_ = -1;           // of the file; below 0 while there is none
  std::size_t room_ = kCellMax;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::atomic<std::uint64_t> nowhere_{0};
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

Counter counter(std::string_view name, std::string_view labels, std::string_view help) {
  cells().describe(name, help);
  return cells().single<Counter>('c', name, labels);
}
Gauge gauge(std::string_view name, std::string_view labels, std::string_view help) {
  cells().describe(name, help);
  return cells().single<Gauge>('g', name, labels);
}
Histogram histogram(std::string_view name, std::string_view labels, std::string_view help) {
  cells().describe(name, help);
  return cells().histogram(name, labels);
}
std::vector<Metric> metrics_snapshot() { return cells().snapshot(); }

std::vector<ProcessMetrics> metrics_by_process(const std::string& directory, std::string_view pool) {
  std::vector<ProcessMetrics> processes;
  each_file(directory, pool.empty() ? "" : fmt::format("{}-", pool), [&](const std::string& name, const Read& read) {
    const std::size_t dash = name.rfind('-');
    if (dash == name.npos) return;
    Sums sums;
    add_up(read, sums);
    processes.push_back({.pool = name.substr(0, dash),
                         .slot = std::atoi(name.c_str() + dash + 1),
                         .pid = read.file->pid,
                         .alive = is_alive(*read.file),
                         .metrics = listed(sums)});
  });
  std::ranges::sort(processes, {}, [](const ProcessMetrics& p) { return std::tuple(p.pool, p.slot); });
  return processes;
}

std::string prometheus_text(const std::vector<Metric>& metrics) {
  std::string out, family;
  std::int64_t cumulative = 0;
  std::map<std::string, std::string> help;
  for (const Metric& metric : metrics) {
    if (metric.type == 'd') help.emplace(metric.name, metric.labels);
  }
  for (const Metric& metric : metrics) {
    if (metric.type == 'd') continue;
    if (metric.name != family) {
      family = metric.name;
      if (help.contains(family)) fmt::format_to(std::back_inserter(out), "# HELP {} {}\n", family, help[family]);
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
