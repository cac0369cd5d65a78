// The keeper's scaling of its own fleet, the one in RUN_DIR: looks at every process's metric cells and at supervisord's
// slots, and starts or stops one slot where host/scaling.h says so. Each such step is logged as `scaled`; RUN/scaling
// tells in a line how many of each pool there are and why. Does nothing while a script holds RUN/slots.lock. The first
// worker of a pool on demand is its holder's to start (host/holder.h), the first runner is started here.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "core/platform.h"
#include "host/pools.h"
#include "host/scaling.h"
#include "io/supervisor.h"

namespace plugfleet {

class FleetScaler {
 public:
  // `platform` outlives it. `pools_of_jobs` as in host/pools.h.
  FleetScaler(Platform& platform, const std::vector<FleetPool>& pools, PoolNames pools_of_jobs);

  // Is there a pool to be scaled: has one a maximum above its minimum?
  bool has_work() const { return !pools_.empty(); }

  // To be called every second. Failure where supervisord does not answer.
  Async<void> look();

 private:
  struct Pool : FleetPool {
    PoolScaler scaler;
    std::vector<std::int64_t> queue_before;  // plugfleet_queue_seconds' buckets at the last look
    std::string why;                         // of the last step, or of there being none
    Clock::time_point since;
  };

  Need need_of_workers(Pool& pool, const std::vector<ProcessMetrics>& processes);
  RunnerLoad runner_load(const Pool& pool, const std::vector<ProcessMetrics>& processes);
  Async<void> act(Pool& pool, ScalingDecision decision, int running);
  void tell(const std::string& text);

  Platform& platform_;
  Supervisor supervisor_;
  std::vector<Pool> pools_;
  const PoolNames pools_of_jobs_;
  std::string told_;
};

}  // namespace plugfleet
