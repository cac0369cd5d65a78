// A fleet's pools of processes, as the setting POOLS says them; scripts/lib/fleet_conf.py writes it from fleet.conf.
//
//   worker=workers:2-10 render=workers:0-3:30:pdf,scorer runner=runners:2-10
//
// A pool is its name, its kind, how many processes it has at the least and at the most, for how many seconds one must have
// been more than enough before it goes (SCALE_DOWN_AFTER where nothing stands there), and its modules. The pools called
// worker and runner have what no other pool of their kind has, and the platform's own routes are worker's.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "core/module.h"

namespace plugfleet {

inline constexpr std::string_view kWorkerPool = "worker", kRunnerPool = "runner";

struct FleetPool {
  enum class Kind { workers, runners };
  std::string name;
  Kind kind = Kind::workers;
  int least = 0, most = 0;
  Clock::duration idle{};  // 0: SCALE_DOWN_AFTER
  std::vector<std::string> modules;

  // Has it no process while nobody asks? Runners of RUNNERS=0 are no such pool: their jobs wait.
  bool on_demand() const { return least == 0 && most > 0 && name != kRunnerPool; }
};

// Throws Failure that names what is wrong.
std::vector<FleetPool> read_pools(std::string_view text);

// By module, of those that another pool than kWorkerPool has.
using PoolNames = std::map<std::string, std::string, std::less<>>;
PoolNames pools_of_routes(const std::vector<FleetPool>& pools);
// By kind of job, of those that another pool than kRunnerPool runs.
PoolNames pools_of_jobs(const std::vector<FleetPool>& pools, const std::vector<Module>& modules);

inline std::string_view pool_of(const PoolNames& names, std::string_view what, std::string_view otherwise) {
  const auto found = names.find(what);
  return found == names.end() ? otherwise : std::string_view(found->second);
}

}  // namespace plugfleet
