// When a pool needs one process more, and when one fewer would do. Decides alone: what is looked at comes from
// host/fleet_scaler.h, which also acts. Time is only what a look says it is.
//
// Up fast, down slowly: a process too many costs some megabytes, one too few makes people wait. One slot a step, never
// below the minimum or above the maximum; one that has a stream or a job is never stopped. Fewer than the minimum are
// not made up for here: that is supervisord's (a process died) or a script's, which stops or replaces them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace plugfleet {

// One look may be chance: a pause of the machine, a burst that is over already.
inline constexpr int kShortLooks = 2;
// A process takes about a second to come up and another until what waited is served: then it can be seen to help.
inline constexpr Clock::duration kAfterUp = 3s;
// Looks come every second; after a longer gap what was seen before says nothing of now.
inline constexpr Clock::duration kLookGap = 5s;

// Waiting for a worker to accept. An idle one does so within a millisecond; 50 ms is what a person begins to notice.
inline constexpr double kQueueShortMs = 50, kQueueCalmMs = 10;
// The 95th percentile of fewer requests is but the slowest of them.
inline constexpr std::int64_t kQueueSamples = 10;
// Requests at once per worker. They mostly wait for others, so a thread bears more; but each holds its body, and so
// many are lost with a process that dies.
inline constexpr std::int64_t kInFlightShort = 50;
// Of a runner's places, in use while jobs wait.
inline constexpr double kPlacesShort = 0.9;
// A job that has waited so long is short of a runner where the runners are half full: they look every second.
inline constexpr Clock::duration kJobOldest = 5s;
// Of what the processes left over would bear, for one fewer to do: so that the first request more is not short again.
inline constexpr double kCalm = 0.6;

// Below either nothing is started: the machine would swap, or kill somebody.
inline constexpr std::int64_t kMemoryLeastKb = 256 * 1024;
inline constexpr double kMemoryLeastShare = 0.1;

struct Slot {
  enum class State { stopped, coming, running, failed, going };
  int number = 0;
  State state = State::stopped;
  std::int64_t busy = 0;     // requests, streams and jobs it has
  std::int64_t lasting = 0;  // of them, streams and jobs: they may take hours
};

struct WorkerLoad {
  std::int64_t ready = 0, in_flight = 0;  // in all
  std::int64_t queued = 0;                // requests since the last look, and what they waited at p95
  double queue_p95_ms = 0;
};

struct RunnerLoad {
  std::int64_t ready = 0, running = 0;  // in all
  std::int64_t places = 0;              // of each
  bool on_demand = false;               // may be none while nothing waits
  std::int64_t waiting = 0;             // jobs that could run now
  Clock::duration oldest{};             // has waited so long
};

struct Need {
  std::string shortage;  // what there is too little of; empty: nothing
  bool one_fewer_would_do = false;
};

Need need_of(const WorkerLoad& load);
Need need_of(const RunnerLoad& load);

// Of /proc/meminfo's text. True where it does not say.
bool memory_is_left(const std::string& meminfo);
// Of the texts of a control group's memory.max, memory.current and memory.stat. True where there is no limit.
bool group_memory_is_left(const std::string& most, const std::string& current, const std::string& stat);

struct PoolLook {
  Clock::time_point at;
  std::vector<Slot> slots;  // those that may run, at the most as many as the maximum
  Need need;
  bool memory_left = true;
};

struct ScalingDecision {
  enum class Step { stay, start, stop };
  Step step = Step::stay;
  int slot = 0;     // to be started or stopped
  std::string why;  // of a stay: only where the pool is short and stays so, or has one too many and keeps it
};

// One pool's decisions, look by look.
class PoolScaler {
 public:
  PoolScaler(int least, Clock::duration down_after) : least_(least), down_after_(down_after) {}

  // Whoever acts on a start or a stop says so with acted().
  ScalingDecision decide(const PoolLook& look);
  void acted(const ScalingDecision& decision, Clock::time_point at);

 private:
  ScalingDecision up(const PoolLook& look) const;
  ScalingDecision down(const PoolLook& look) const;

  const int least_;
  const Clock::duration down_after_;
  int short_looks_ = 0;
  std::optional<Clock::time_point> calm_since_, last_look_, last_step_, last_down_;
};

}  // namespace plugfleet
