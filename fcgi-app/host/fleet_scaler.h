// The keeper's scaling of its own fleet, the one in RUN_DIR: looks at every process's metric cells and at supervisord's
// slots, and starts or stops one slot where host/scaling.h says so. Each such step is logged as `scaled`; RUN/scaling
// tells in a line how many of each pool there are and why. Does nothing while a script holds RUN/slots.lock.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "core/platform.h"
#include "host/scaling.h"
#include "io/supervisor.h"

namespace plugfleet {

class FleetScaler {
 public:
  // `platform` outlives it.
  explicit FleetScaler(Platform& platform);

  // Is there a pool to be scaled?
  bool has_work() const { return !pools_.empty(); }

  // To be called every second. Failure where supervisord does not answer.
  Async<void> look();

 private:
  struct Pool {
    std::string name;
    int least, most;
    PoolScaler scaler;
    std::string why;  // of the last step, or of there being none
    Clock::time_point since;
  };

  Need need_of_pool(const Pool& pool, const std::vector<ProcessMetrics>& processes);
  Need need_of_workers(const std::vector<ProcessMetrics>& processes);
  Async<void> act(Pool& pool, ScalingDecision decision, int running);
  void tell(const std::string& text);

  Platform& platform_;
  Supervisor supervisor_;
  std::vector<Pool> pools_;
  std::vector<std::int64_t> queue_before_;  // plugfleet_queue_seconds' buckets at the last look
  std::string told_;
};

}  // namespace plugfleet
