// Runs jobs: claims as many as there is room for, runs each handler as a task of its own under its time, keeps the
// leases, tells watchers, and ends what its handlers ended. Many jobs at once on one reactor, up to RUNNER_JOBS.
//
// A job holds its room until PostgreSQL has said that it is ended: with PostgreSQL down nothing piles up here.
//
//   JobClaims ──> take() ──> run_job() ──> ended() ──> end() ──> JobCompletions ──> answered() ──> forget()
//                   │           ▲            │           ▲                                            ▲
//                   │           │            └───────────┼────── its lease was lost ──────────────────┘
//                   │           └── stop(): the task ends at its next wait
//                   └── draining: given back ────────────┘
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "core/job.h"
#include "core/platform.h"
#include "host/job_claims.h"
#include "host/job_completions.h"

namespace plugfleet {

class JobRunner {
 public:
  // Of each kind one handler. `platform` outlives the runner; the runner what it runs, once it has started.
  JobRunner(Platform& platform, std::vector<JobHandler> handlers);
  ~JobRunner();
  JobRunner(const JobRunner&) = delete;

  void start();

  // Claims no more, gives what runs `grace` to end, then stops it and gives it back. `drained` is called once
  // PostgreSQL knows of all of it.
  void drain(Clock::duration grace, std::function<void()> drained);

  const std::string& name() const { return name_; }
  std::size_t running() const { return running_.size(); }  // claimed, and not known to be ended

 private:
  struct Served;
  struct Running;
  using RunningPtr = std::shared_ptr<Running>;
  enum class Stop { none, cancelled, timed_out, lease_lost, out_of_touch, draining };

  ClaimRequest request() const;
  void take(ClaimedJob claimed, Clock::time_point asked);
  Async<void> run_job(RunningPtr running);
  Async<std::optional<std::string>> take_body(RunningPtr running);
  Async<void> keep_result(RunningPtr running);
  void stop(Running& running, Stop why);
  void ended(const RunningPtr& running, std::exception_ptr thrown);
  void end(const RunningPtr& running, Outcome outcome);
  void progress(const RunningPtr& running, int percent, std::string message);
  Async<void> write_progress(RunningPtr running);

  void beat();
  Async<void> heartbeat();
  void answered(std::vector<JobEnding> endings, std::vector<std::optional<JobChange>> changes);
  void forget(const RunningPtr& running, std::string_view became);
  void perhaps_drained();

  Platform& platform_;
  Reactor& reactor_;
  Database database_;  // its own: no handler's queries hold up a heartbeat
  Jobs jobs_;
  JobClaims claims_;
  JobCompletions completions_;
  const std::string name_;
  const std::size_t room_;
  std::map<std::string, std::unique_ptr<Served>, std::less<>> kinds_;
  std::map<std::pair<std::string, std::int64_t>, RunningPtr> running_;  // by lease

  bool draining_ = false, beating_ = false, beat_failed_ = false;
  Timer beat_timer_, grace_timer_;
  std::function<void()> drained_;
  std::vector<JobEvents::Handle> listening_;
  Gauge running_gauge_;
};

}  // namespace plugfleet
