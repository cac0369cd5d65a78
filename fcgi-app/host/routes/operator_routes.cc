#include "host/routes/operator_routes.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/metrics.h"
#include "core/platform.h"
#include "io/parallel.h"

namespace plugfleet {
namespace {

constexpr auto kCheckTimeout = 2s;
constexpr auto kLookLasts = 200ms;

// More numbers than the function's work_mem holds are spilled to a file: that fails where the disk is full (53100), and
// leaves nothing behind.
constexpr const char* kCanWrite =
    "select current_setting('transaction_read_only')::bool as read_only, spill_to_disk() as spilled";
const Clock::time_point started = Clock::now();

struct Alive {
  std::string status;
  void fields(auto& f) { f("status", status); }
};

Async<Reply> healthz(Call&) { co_return Reply{.body = R"({"status":"ok"})"}; }

// What this host needs room for: logs, the sockets' and request bodies' tmpfs, the database where it is here. A disk
// with less than this left, or than an eighth of a small one, is as good as full: PostgreSQL asks for 16 MiB at a time.
constexpr fsblkcnt_t kRoom = 32 << 20;
std::string server_check(const Settings& settings) {
  const std::filesystem::path run = settings.run_dir;
  for (const auto& path : {std::filesystem::path(settings.log_file).parent_path(), run, run / "pgdata"}) {
    struct statvfs disk{};
    if (path.empty() || statvfs(path.c_str(), &disk) != 0 || disk.f_blocks == 0) continue;
    const fsblkcnt_t room = std::min(kRoom, disk.f_blocks * disk.f_frsize / 8);
    if (disk.f_bavail * disk.f_frsize < room) return "the disk of " + path.string() + " is full";
  }
  return "ok";
}

// The server itself and the four dependencies of GET /health, each told in a word.
struct Checks {
  std::string server = "down", database = "down", redis = "down", payloads = "down", provider = "down";
  bool well() const {
    return server == "ok" && database == "ok" && redis == "ok" && payloads == "ok" &&
           (provider == "ok" || provider == "offline");
  }
  void fields(auto& f) {
    f("server", server);
    f("database", database);
    f("redis", redis);
    f("payloads", payloads);
    f("provider", provider);
  }
};

struct Memory {
  std::int64_t rss_mb = 0, limit_mb = 0;
  void fields(auto& f) {
    f("rssMB", rss_mb);
    f("limitMB", limit_mb);
  }
};

constexpr std::string_view kHealthWords[] = {"ok", "degraded"};
struct Health {
  std::string status;
  Checks checks;
  Memory memory;
  std::int64_t uptime = 0;  // seconds
  void fields(auto& f) {
    f("status", status, one_of(kHealthWords));
    f("checks", checks);
    f("memory", memory);
    f("uptime", uptime);
  }
};

struct Latency {
  double p50 = 0, p95 = 0, p99 = 0;  // ms
  void fields(auto& f) {
    f("p50", p50);
    f("p95", p95);
    f("p99", p99);
  }
};

struct Numbers {
  std::int64_t requests = 0, errors = 0;
  Latency latency;
  void fields(auto& f) {
    f("requests", requests);
    f("errors", errors);
    f("latency", latency);
  }
};

std::string provider_check(const AiView& view) {
  switch (view.state) {
    case AiState::ok:
      return "ok";
    case AiState::offline:
      return "offline";
    case AiState::probing:
      return "probing";
    case AiState::open:
      return fmt::format("open until {}", rfc3339(view.until));
    case AiState::no_key:
      return "no key is accepted";
  }
  return "down";
}

Async<void> ask(Platform& platform, Checks& checks, std::size_t which) {
  if (which == 0) {
    const Rows rows = co_await platform.database.query(kCanWrite);
    checks.database = rows[0].boolean("read_only") ? "read-only" : "ok";
  } else if (which == 1) {
    co_await platform.redis.command({"PING"});
    checks.redis = "ok";
  } else if (which == 2) {
    co_await platform.payloads.command({"PING"});
    checks.payloads = "ok";
  } else {  // no provider is called, which would cost money: what is known of them is told
    const AiView view = co_await platform.ai.look();
    checks.provider = provider_check(view);
  }
}

Async<void> check(Platform& platform, Checks& checks, std::size_t which) {
  try {
    co_await ask(platform, checks, which);
  } catch (const SqlError& error) {
    if (which == 0 && error.sqlstate() == kDiskFull) checks.database = "disk full";
  } catch (const Failure& failure) {
    log(Severity::debug, "check_failed", {{"which", which}, {"why", failure.message()}});  // it stays "down"
  }
}

// The last answer of this process, and who waits for the next.
struct LastLook {
  std::optional<Reply> reply;
  Clock::time_point at{};
  bool under_way = false;
  std::list<Waiter*> waiting;
};

// Every dependency is asked at once; one that has not answered within 2 s is down.
Async<void> look(Platform& platform, std::shared_ptr<LastLook> last) {
  Checks checks;
  checks.server = server_check(platform.settings);
  std::function<Async<void>(std::size_t)> each = [&](std::size_t which) { return check(platform, checks, which); };
  co_await for_each_parallel(platform.reactor, 4, {.width = 4, .deadline = Clock::now() + kCheckTimeout},
                             std::move(each));
  const bool well = checks.well();
  const auto up = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - started);
  last->reply = json(well ? 200 : 503,
                     Health{.status = well ? "ok" : "degraded",
                            .checks = checks,
                            .memory = {.rss_mb = static_cast<std::int64_t>(resident_memory() >> 20),
                                       .limit_mb = static_cast<std::int64_t>(platform.settings.memory_limit >> 20)},
                            .uptime = up.count()});
  last->at = Clock::now();
}

// One look serves all who ask while it lasts and for 200 ms after it: whoever asks thousands of times a second costs
// the dependencies no more. It is nobody's own: a client that leaves ends it for no other.
Async<Reply> health(Call& call, std::shared_ptr<LastLook> last) {
  if (last->reply && Clock::now() - last->at < kLookLasts) co_return Reply(*last->reply);
  if (!last->under_way) {
    last->under_way = true;
    call.platform.reactor.spawn(look(call.platform, last), [last](std::exception_ptr) {
      last->under_way = false;
      for (Waiter* const waiter : std::exchange(last->waiting, {})) waiter->resume();
    });
  }
  struct Waiting {
    std::list<Waiter*>& line;
    Waiter waiter{};
    explicit Waiting(std::list<Waiter*>& all) : line(all) { line.push_back(&waiter); }
    ~Waiting() { line.remove(&waiter); }
  } waiting(last->waiting);
  co_await waiting.waiter.wait();
  if (!last->reply) throw Failure(FailureKind::unavailable, "the dependencies could not be asked");
  co_return Reply(*last->reply);
}

Reply metrics_json(const std::vector<Metric>& all) {
  Numbers numbers;
  std::vector<std::int64_t> buckets(kBucketCount);
  for (const Metric& metric : all) {
    if (metric.name == "plugfleet_requests_total") numbers.requests += metric.value;
    if (metric.name == "plugfleet_errors_total") numbers.errors += metric.value;
    if (metric.name == "plugfleet_request_seconds" && metric.type == 'h')
      buckets.at(static_cast<std::size_t>(metric.bucket)) += metric.value;
  }
  numbers.latency = {bucket_quantile(buckets, 0.50), bucket_quantile(buckets, 0.95), bucket_quantile(buckets, 0.99)};
  return json(200, numbers);
}

Async<Reply> metrics(Call& call) {
  const auto all = metrics_snapshot();
  if (call.header("accept").find("application/json") != std::string_view::npos) co_return metrics_json(all);
  co_return text(200, prometheus_text(all), "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace

std::size_t resident_memory() {
  std::size_t total = 0, resident = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%zu %zu", &total, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

Module operator_routes() {
  const auto quiet = [](const char* summary, std::vector<RouteAnswer> answers) {
    return RouteOptions{
        .summary = summary, .answers = std::move(answers), .limited = false, .operators_only = true, .recorded = false};
  };
  const auto last = std::make_shared<LastLook>();
  const std::function<Async<Reply>(Call&, const PathValues&)> shared_health = [last](Call& call, const PathValues&) {
    return health(call, last);
  };
  return {
      .name = "operator",
      .routes = {{Method::GET, "/health", shared_health,
                  quiet("Whether what the fleet needs answers", {{200, json_of<Health>()}, {503, json_of<Health>()}})},
                 {Method::GET, "/healthz", healthz, quiet("Whether a worker answers", {{200, json_of<Alive>()}})},
                 {Method::GET, "/metrics", metrics,
                  quiet("Counters and times, for Prometheus", {{200, text_of()}, {200, json_of<Numbers>()}})}}};
}

}  // namespace plugfleet
