// The keeper: what somebody must see to now and then, so that the queue and the tables stay as they should be. Each
// duty is a task of its own, again and again; one that fails is tried again at its next turn, one that hangs is
// cancelled at its deadline, and neither stops the others. Any number of keepers may run in a fleet.
//
//   reap      1 s   takes jobs from runners that died, and tells whoever watches them
//   refresh   60 s  keeps the bodies of jobs that wait or run in the payload Redis, up to JOB_PAYLOAD_BOUND
//   usage     10 s  counts what has ended, for GET /api/analytics
//   prune     60 s  deletes ended jobs beyond JOBS_KEEP_...
//   months    60 s  makes api_calls' partitions of this month and the next
//   depths    5 s   gauges of what waits: plugfleet_jobs_ready, _processing and _oldest_seconds by kind
//   scale     1 s   starts and stops workers and runners of its host, between how many POOLS says
//   cron ...  5 s   each timed work: the modules' entries, and aggregate_daily_stats at 00:15 UTC
//
// plugfleet_keeper_last_turn_seconds{duty="..."} is when a duty last went well, in unix time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "core/platform.h"
#include "host/cron_runs.h"
#include "host/fleet_scaler.h"

namespace plugfleet {

// Something done at once, and again `every` so long after it ended; cancelled when a turn takes longer than `longest`.
// The first of several failures in a row is logged, and that it went well again.
class Duty {
 public:
  struct Times {
    Clock::duration every, longest;
  };
  // `turn` must return a coroutine, not be a capturing one.
  Duty(Reactor& reactor, std::string name, Times times, std::function<Async<void>()> turn);
  ~Duty();  // cancels a turn that is under way
  Duty(const Duty&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// aggregate_daily_stats at 00:15 UTC, for every day before that has had a new or an ended job since it ran last.
TimedWork daily_stats();

class Keeper {
 public:
  // `platform` outlives the keeper, and the keeper what runs on the reactor.
  Keeper(Platform& platform, std::vector<TimedWork> crons, const std::vector<FleetPool>& pools = {},
         PoolNames pools_of_jobs = {});

  void start();

  // One turn each; Failure where it went wrong.
  Async<void> reap();
  Async<void> refresh_bodies();
  Async<void> count();
  Async<void> prune();
  Async<void> make_months();
  Async<void> measure_depths();
  Async<void> run_cron(const TimedWork* work);

 private:
  Async<void> reap_in_touch();

  struct KindGauges {
    Gauge ready, processing, oldest;
  };

  Platform& platform_;
  Database patient_;  // for statements that may take minutes
  std::vector<TimedWork> crons_;
  FleetScaler scaler_;
  std::map<std::string, KindGauges> gauges_;
  std::optional<Clock::time_point> in_touch_since_;  // none: the last turn of reaping failed
  std::vector<std::unique_ptr<Duty>> duties_;
};

}  // namespace plugfleet
