// plugfleet-worker: answers requests. It listens on descriptor 0, a socket that supervisord made and its other workers
// share. Needs no privilege; reads its settings, the modules and the log file; writes the log and its metric cells.
//
//   plugfleet-worker [--settings FILE]     serve until SIGTERM; then drain and exit
//   plugfleet-worker --check               say what is wrong with the settings and modules, and exit
//   plugfleet-worker --print-settings      every setting with its type, default and range
//
// SIGQUIT drains as SIGTERM does and may be said again; a second SIGTERM ends it at once. SIGHUP opens the log anew.
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "base/ids.h"
#include "base/log.h"
#include "base/metrics.h"
#include "core/migrations.h"
#include "core/platform.h"
#include "core/settings.h"
#include "host/dispatch.h"
#include "host/module_loader.h"
#include "host/operator_routes.h"
#include "host/router.h"
#include "io/fastcgi.h"
#include "main/arguments.h"

namespace plugfleet {
namespace {

constexpr int kListening = 0;
constexpr auto kWatchEvery = 1s;
constexpr auto kFlushPatience = 3s;

// An image in memory must not reach a disk by way of a core dump; and a large body's memory goes back when it is freed.
void harden() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

Severity severity_of(const std::string& level) {
  return level == "debug"     ? Severity::debug
         : level == "warning" ? Severity::warning
         : level == "error"   ? Severity::error
                              : Severity::info;
}

Async<void> refuse_missing_migrations(Platform& platform) {
  try {
    const auto missing = co_await pending_migrations(platform.database, platform.settings.migrations_dir,
                                                     platform.settings.modules_source_dir);
    if (missing.empty()) co_return;
    throw Failure(Kind::internal,
                  fmt::format("the database lacks {}: run plugfleet-migrate", fmt::join(missing, ", ")));
  } catch (const Failure& failure) {
    if (failure.kind() != Kind::unavailable) throw;
    log(Severity::warning, "database_down_at_start", {});  // what needs no database is served all the same
  }
}

class Worker {
 public:
  Worker(Reactor& reactor, const Settings& settings, const Router& router)
      : reactor_(reactor),
        settings_(settings),
        platform_(reactor, settings),
        dispatch_(platform_, router),
        watch_(reactor),
        signals_(reactor, {SIGTERM, SIGINT, SIGQUIT, SIGHUP}, [this](int number) { signalled(number); }),
        requests_left_(settings.max_requests == 0 ? INT64_MAX : jittered(settings.max_requests)) {}

  int run() {
    reactor_.spawn(refuse_missing_migrations(platform_),
                   [this](std::exception_ptr failure) { started(std::move(failure)); });
    reactor_.run();
    return status_;
  }

 private:
  void started(std::exception_ptr failure) {
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const std::exception& why) {
        fmt::print(stderr, "plugfleet-worker: {}\n", why.what());
      }
      status_ = 1;
      return reactor_.stop();
    }
    server_.emplace(reactor_, kListening, dispatch_, FastcgiOptions{.request_timeout = settings_.request_timeout});
    log(Severity::info, "started", {{"pool", settings_.pool}, {"slot", settings_.slot}});
    watch();
  }

  // Whether it is time to make room for a fresh process.
  void watch() {
    const std::size_t resident = resident_memory();
    resident_.set(static_cast<std::int64_t>(resident));
    const bool full = resident > settings_.memory_limit;
    if ((full || dispatch_.served() >= requests_left_) && take_turn()) return retire(full ? "memory" : "max_requests");
    watch_.arm(kWatchEvery, [this] { watch(); });
  }

  // One worker of a pool at a time makes room, while the others accept. The turn ends with the process.
  bool take_turn() {
    if (settings_.run_dir.empty()) return true;
    if (turn_ < 0) {
      const std::string path = fmt::format("{}/retiring-{}", settings_.run_dir, settings_.pool);
      turn_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    return turn_ < 0 || ::flock(turn_, LOCK_EX | LOCK_NB) == 0;
  }

  void signalled(int number) {
    if (number == SIGHUP) return log_reopen();
    if (number == SIGQUIT && told_) return;
    if (!server_ || std::exchange(told_, true)) return reactor_.stop();  // before it served, or told twice: at once
    take_turn();                                                         // where another has it, both go
    retire("signal");
  }

  void retire(const char* why) {
    if (std::exchange(retiring_, true)) return;
    log(Severity::info, "draining",
        {{"why", why}, {"served", dispatch_.served()}, {"inFlight", dispatch_.in_flight()}});
    server_->drain(settings_.drain_timeout, [this] {
      reactor_.spawn(platform_.recorder.flush(kFlushPatience), [this](std::exception_ptr) { reactor_.stop(); });
    });
  }

  // Workers that started together must not retire together.
  static std::int64_t jittered(std::int64_t count) {
    return count - static_cast<std::int64_t>(random_u64() % static_cast<std::uint64_t>(count / 5 + 1));
  }

  Reactor& reactor_;
  const Settings& settings_;
  Platform platform_;
  Dispatch dispatch_;
  Timer watch_;
  Signals signals_;
  std::optional<FastcgiServer> server_;
  Gauge resident_ = gauge("plugfleet_resident_bytes");
  std::int64_t requests_left_;
  bool retiring_ = false, told_ = false;
  int turn_ = -1;
  int status_ = 0;
};

int run(const Arguments& arguments) {
  SettingReader reader(arguments.settings_file);
  Settings settings;
  settings.rows(reader);
  std::vector<Module> modules = load_modules(settings.modules_dir, settings.modules, reader);
  if (arguments.print_settings) return print_settings(reader);
  reader.finish();
  const Authenticator checked(settings);

  if (!arguments.check) {
    harden();
    log_open(settings.log_file, severity_of(settings.log_level));
    if (!settings.run_dir.empty())  // before the routes take their counters
      metrics_open(settings.run_dir + "/metrics", settings.pool, static_cast<int>(settings.slot));
  }
  Router router;
  for (Route& route : operator_routes().routes) router.add("operator", std::move(route));
  for (Module& module : modules) {
    for (Route& route : module.routes) router.add(module.name, std::move(route));
  }
  if (arguments.check) {
    fmt::print("{} modules, settings fine\n", modules.size());
    return 0;
  }

  Reactor reactor;
  Worker worker(reactor, settings, router);
  const int status = worker.run();
  log(Severity::info, "stopped", {});
  return status;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) { return plugfleet::run_main("plugfleet-worker", argc, argv, plugfleet::run); }
