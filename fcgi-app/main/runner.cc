// plugfleet-runner: runs jobs. Needs no privilege and listens nowhere; reads its settings, the modules and the log
// file; writes the log and its metric cells. It may be killed at any time: others run its jobs then
// (core/jobs/jobs.cc).
//
//   plugfleet-runner [--settings FILE]     run jobs until SIGTERM; then claim no more, end what runs, and exit
//   plugfleet-runner --check               say what is wrong with the settings and modules, and exit
//   plugfleet-runner --print-settings      every setting with its type, default and range; --print-values: as they are here
//
// SIGTERM: what has not ended after RUNNER_GRACE is stopped and given back. SIGQUIT does the same and may be said
// again; a second SIGTERM ends it at once. SIGHUP opens the log anew.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "host/job_runner.h"
#include "host/module_loader.h"
#include "main/arguments.h"
#include "main/process.h"

namespace plugfleet {
namespace {

constexpr auto kWatchEvery = 1s;
constexpr auto kLastPatience = 10s;  // after the grace, for jobs to be stopped and PostgreSQL to take them back
constexpr auto kFlushPatience = 3s;

std::vector<JobHandler> handlers_of(const std::vector<Module>& modules) {
  std::vector<JobHandler> handlers;
  for (const Module& module : modules) std::ranges::copy(module.jobs, std::back_inserter(handlers));
  return handlers;
}

class Runner {
 public:
  Runner(Reactor& reactor, const Settings& settings, const std::vector<Module>& modules)
      : reactor_(reactor),
        settings_(settings),
        modules_(modules),
        platform_(reactor, settings),
        jobs_(platform_, handlers_of(modules)),
        watch_(reactor),
        patience_(reactor),
        signals_(reactor, {SIGTERM, SIGINT, SIGQUIT, SIGHUP}, [this](int number) { signalled(number); }) {
    platform_.add_modules(modules);
  }

  int run() {
    return run_process("plugfleet-runner", reactor_, platform_, modules_, [this] { started(); });
  }

 private:
  void started() {
    if (draining_) return;
    jobs_.start();
    log(Severity::info, "started", {{"pool", settings_.pool}, {"slot", settings_.slot}, {"runner", jobs_.name()}});
    ready_.set(true);
    watch();
  }

  void watch() {
    const std::size_t resident = memory_.look();
    if (resident > settings_.memory_limit) return drain("memory");
    watch_.arm(kWatchEvery, [this] { watch(); });
  }

  void signalled(int number) {
    if (number == SIGHUP) return log_reopen();
    if (number != SIGQUIT && std::exchange(told_, true)) leave_at_once("told twice");
    drain("signal");
  }

  void drain(const char* why) {
    if (std::exchange(draining_, true)) return;
    ready_.set(false);
    log(Severity::info, "draining", {{"why", why}, {"running", jobs_.running()}});
    patience_.arm(settings_.runner_grace + kLastPatience, [this] { leave_at_once("out of patience"); });
    jobs_.drain(settings_.runner_grace,
                [this] { reactor_.spawn(last_words(), [this](std::exception_ptr) { reactor_.stop(); }); });
  }

  // What was told to watchers is on its way before this PING.
  Async<void> last_words() {
    co_await stop_modules(platform_, modules_);
    co_await platform_.recorder.flush(kFlushPatience);
    co_await platform_.redis.command({"PING"});
  }

  // Jobs still run, whose destructors must not run without a reactor; their leases will end by themselves.
  [[noreturn]] void leave_at_once(const char* why) {
    log(Severity::warning, "stopped", {{"why", why}, {"running", jobs_.running()}});
    log_flush();
    ::_exit(1);
  }

  Reactor& reactor_;
  const Settings& settings_;
  const std::vector<Module>& modules_;
  Platform platform_;
  JobRunner jobs_;
  Timer watch_, patience_;
  Signals signals_;
  MemoryWatch memory_;
  Ready ready_;
  bool draining_ = false, told_ = false;
};

int run(const Arguments& arguments) {
  SettingReader reader(arguments.settings_file);
  Settings settings;
  settings.rows(reader);
  const std::vector<Module> modules = load_modules(settings.modules_dir, settings.modules, reader);
  if (arguments.print == "settings" || arguments.print == "values") return print_settings(reader, arguments.print);
  reader.finish(unclaimed_by(settings));
  if (arguments.check) {
    fmt::print("{} kinds of jobs, settings fine\n", handlers_of(modules).size());
    return 0;
  }
  start_process(settings);

  Reactor reactor;
  Runner runner(reactor, settings, modules);
  const int status = runner.run();
  log(Severity::info, "stopped", {});
  return status;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) { return plugfleet::run_main("plugfleet-runner", argc, argv, plugfleet::run); }
