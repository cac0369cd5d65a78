// plugfleet-keeper: takes jobs from runners that died, keeps and deletes what is to be kept and deleted, and does what
// is to be done at certain times (host/keeper.h). One in a fleet is enough; several do no harm. Needs no privilege;
// reads its settings and the modules; writes the database, the log and its metric cells.
//
//   plugfleet-keeper [--settings FILE]     work until SIGTERM
//   plugfleet-keeper --check               say what is wrong with the settings and the modules' crons, and exit
//   plugfleet-keeper --print-settings      every setting with its type, default and range; --print-values: as they are here
//
// It stops at once: what it does, it does in transactions. SIGHUP opens the log anew.
#include <fmt/format.h>

#include <csignal>

#include "host/keeper.h"
#include "host/module_loader.h"
#include "main/arguments.h"
#include "main/process.h"

namespace plugfleet {
namespace {

constexpr const char* kProgram = "plugfleet-keeper";

int run(const Arguments& arguments) {
  SettingReader reader(arguments.settings_file);
  Settings settings;
  settings.rows(reader);
  const std::vector<Module> modules = load_modules(settings.modules_dir, settings.modules, reader);
  if (arguments.print == "settings" || arguments.print == "values") return print_settings(reader, arguments.print);
  reader.finish(unclaimed_by(settings));
  std::vector<TimedWork> crons = declared_crons(modules);
  const std::vector<FleetPool> pools = read_pools(settings.pools);
  if (arguments.check) {
    fmt::print("{} modules, {} crons, settings fine\n", modules.size(), crons.size());
    return 0;
  }

  start_process(settings);
  Reactor reactor;
  Platform platform(reactor, settings);
  Keeper keeper(platform, std::move(crons), pools, pools_of_jobs(pools, modules));
  const Signals signals(reactor, {SIGTERM, SIGINT, SIGQUIT, SIGHUP}, [&reactor](int number) {
    if (number == SIGHUP) return log_reopen();
    reactor.stop();
  });
  Ready ready;
  const int status = run_process(kProgram, reactor, platform, {}, [&] {
    log(Severity::info, "started", {{"pool", settings.pool}, {"slot", settings.slot}});
    keeper.start();
    ready.set(true);
  });
  log(Severity::info, "stopped", {});
  return status;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) { return plugfleet::run_main(plugfleet::kProgram, argc, argv, plugfleet::run); }
