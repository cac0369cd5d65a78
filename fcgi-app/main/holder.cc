// plugfleet-holder SOCKET: holds the listening socket, descriptor 0, of a pool of workers that is on demand, and has
// supervisord start a worker when the first client comes (host/holder.h). Needs no privilege; reads the pool's metric cells
// and its environment (POOL, POOLS, RUN_DIR, LOG_FILE); writes the log. SOCKET is for those who look at processes.
//
// It ends at SIGTERM. SIGHUP has it become the program that is active now, with the same socket: no client notices.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "host/holder.h"
#include "host/pools.h"
#include "main/process.h"

namespace plugfleet {
namespace {

int run(char** argv) {
  SettingReader reader("");
  Settings settings;
  settings.rows(reader);
  const std::vector<FleetPool> pools = read_pools(settings.pools);
  const auto pool = std::ranges::find(pools, settings.pool, &FleetPool::name);
  if (pool == pools.end()) throw Failure(FailureKind::internal, fmt::format("POOLS: has no pool {}", settings.pool));
  harden();
  log_open(settings.log_file, severity_of(settings.log_level));

  Reactor reactor;
  HttpClient http(reactor, 1);
  Holder holder(reactor, http, {.name = pool->name, .run_dir = settings.run_dir, .most = pool->most, .fd = 0});
  const Signals signals(reactor, {SIGTERM, SIGINT, SIGQUIT, SIGHUP}, [&reactor, argv](int number) {
    if (number == SIGHUP) ::execv(argv[0], argv);
    reactor.stop();
  });
  const TaskPtr holding = reactor.spawn(holder.run());
  reactor.run();
  holding->cancel(Failure(FailureKind::cancelled, "cancelled"));
  return 0;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: plugfleet-holder SOCKET\n");
    return 2;
  }
  try {
    return plugfleet::run(argv);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "plugfleet-holder: {}\n", failure.what());
    return 1;
  }
}
