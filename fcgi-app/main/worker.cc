// plugfleet-worker: answers requests. It listens on descriptor 0, a socket that supervisord made and its other workers
// share. Needs no privilege; reads its settings, the modules and the log file; writes the log and its metric cells.
//
//   plugfleet-worker [--settings FILE]     serve until SIGTERM; then drain and exit
//   plugfleet-worker --check               say what is wrong with the settings and modules, and exit
//   plugfleet-worker --print-settings      every setting with its type, default and range; --print-values: as they are here
//   plugfleet-worker --print-routes        every route with who may ask and how often; --print-routes-json for programs
//   plugfleet-worker --print-openapi       what the API is, by OpenAPI 3.1
//   plugfleet-worker --print-nginx-maps    what nginx is told of them; likewise -locations
//
// SIGQUIT drains as SIGTERM does and may be said again; a second SIGTERM ends it at once. SIGHUP opens the log anew.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>

#include "base/ids.h"
#include "base/log.h"
#include "base/metrics.h"
#include "core/platform.h"
#include "core/settings.h"
#include "host/dispatch.h"
#include "host/module_loader.h"
#include "host/nginx_routes.h"
#include "host/openapi.h"
#include "host/router.h"
#include "host/routes/analytics_routes.h"
#include "host/routes/job_routes.h"
#include "host/routes/operator_routes.h"
#include "io/fastcgi.h"
#include "main/arguments.h"
#include "main/process.h"
#include "main/route_list.h"

namespace plugfleet {
namespace {

constexpr int kListening = 0;
constexpr auto kWatchEvery = 1s;
constexpr auto kFlushPatience = 3s;
constexpr int kConnections = 4096;  // besides those that carry a stream

class Worker {
 public:
  Worker(Reactor& reactor, const Settings& settings, const Router& router, const std::vector<Module>& modules)
      : reactor_(reactor),
        settings_(settings),
        modules_(modules),
        platform_(reactor, settings),
        dispatch_(platform_, router),
        watch_(reactor),
        signals_(reactor, {SIGTERM, SIGINT, SIGQUIT, SIGHUP}, [this](int number) { signalled(number); }),
        requests_left_(settings.max_requests == 0 ? INT64_MAX : jittered(settings.max_requests)) {
    platform_.add_modules(modules);
  }

  int run() {
    return run_process("plugfleet-worker", reactor_, platform_, modules_, [this] { started(); });
  }

 private:
  void started() {
    server_.emplace(reactor_, kListening, dispatch_,
                    FastcgiOptions{.connections_max = kConnections + static_cast<int>(settings_.streams_max),
                                   .request_timeout = settings_.request_timeout});
    log(Severity::info, "started", {{"pool", settings_.pool}, {"slot", settings_.slot}});
    for (const std::string& key : platform_.authenticator.passed_over())
      log(Severity::info, "jwt_key_passed_over", {{"why", key}});
    ready_.set(true);
    watch();
  }

  // Whether it is time to make room for a fresh process.
  void watch() {
    const std::size_t resident = memory_.look();
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
    if (!server_) return reactor_.stop();
    if (number != SIGQUIT && std::exchange(told_, true)) return reactor_.stop();
    take_turn();  // where another has it, both go
    retire("signal");
  }

  void retire(const char* why) {
    if (std::exchange(retiring_, true)) return;
    ready_.set(false);
    log(Severity::info, "draining",
        {{"why", why}, {"served", dispatch_.served()}, {"inFlight", dispatch_.in_flight()}});
    server_->drain(settings_.drain_timeout,
                   [this] { reactor_.spawn(last_words(), [this](std::exception_ptr) { reactor_.stop(); }); });
  }

  Async<void> last_words() {
    co_await stop_modules(platform_, modules_);
    co_await platform_.recorder.flush(kFlushPatience);
  }

  // Workers that started together must not retire together.
  static std::int64_t jittered(std::int64_t count) {
    return count - static_cast<std::int64_t>(random_u64() % static_cast<std::uint64_t>(count / 5 + 1));
  }

  Reactor& reactor_;
  const Settings& settings_;
  const std::vector<Module>& modules_;
  Platform platform_;
  Dispatch dispatch_;
  Timer watch_;
  Signals signals_;
  std::optional<FastcgiServer> server_;
  MemoryWatch memory_;
  Ready ready_;
  std::int64_t requests_left_;
  bool retiring_ = false, told_ = false;
  int turn_ = -1;
};

Router router_of(const std::vector<Module>& modules) {
  Router router;
  for (Route& route : operator_routes().routes) router.add("operator", std::move(route));
  for (Route& route : job_routes().routes) router.add("jobs", std::move(route));
  for (Route& route : analytics_routes().routes) router.add("analytics", std::move(route));
  for (const Module& module : modules) {
    for (const Route& route : module.routes) router.add(module.name, route);
  }
  return router;
}

std::map<std::string, Pages> pages_of(const std::vector<Module>& modules) {
  std::map<std::string, Pages> pages;
  for (const Module& module : modules) pages.emplace(module.name, module.pages);
  return pages;
}

// Where a setting is wrong too: it counts as its default then.
int print_routes(std::string_view what, const Settings& settings, const std::vector<Module>& modules) {
  const auto pages = pages_of(modules);
  const Router router = router_of(modules);
  const PoolNames pools = pools_of_routes(read_pools(settings.pools));
  const NginxRoutes nginx = nginx_routes(router, pages, pools);
  const std::string text = what == "routes"        ? routes_text(router, settings, pools)
                           : what == "routes-json" ? routes_json(router, settings, pools)
                           : what == "openapi"     ? openapi_json(router)
                           : what == "nginx-maps"  ? nginx.maps
                                                   : nginx.locations;
  fmt::print("{}", text);
  return 0;
}

int run(const Arguments& arguments) {
  SettingReader reader(arguments.settings_file);
  Settings settings;
  settings.rows(reader);
  const std::vector<Module> modules = load_modules(settings.modules_dir, settings.modules, reader);
  if (arguments.print == "settings" || arguments.print == "values") return print_settings(reader, arguments.print);
  if (!arguments.print.empty()) return print_routes(arguments.print, settings, modules);
  reader.finish(unclaimed_by(settings));
  read_jwt_issuers(settings);  // throws where something is wrong

  if (!arguments.check) start_process(settings);
  const auto pages = pages_of(modules);
  const Router router = router_of(modules);
  if (arguments.check) {
    // These throw where something is wrong.
    nginx_routes(router, pages, pools_of_routes(read_pools(settings.pools)));
    openapi_json(router);
    fmt::print("{} modules, settings fine\n", pages.size());
    return 0;
  }

  Reactor reactor;
  Worker worker(reactor, settings, router, modules);
  const int status = worker.run();
  log(Severity::info, "stopped", {});
  return status;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) {
  return plugfleet::run_main(
      "plugfleet-worker", argc, argv, plugfleet::run,
      {"settings", "values", "routes", "routes-json", "openapi", "nginx-maps", "nginx-locations"});
}
