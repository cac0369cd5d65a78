// When a runner claims jobs: as soon as it is woken, and at least once a second (wake-ups are hints that may be lost),
// whenever there is room; never twice at once. Declares its kinds first. PostgreSQL may be down at any time.
#pragma once

#include <functional>
#include <vector>

#include "base/metrics.h"
#include "core/jobs.h"
#include "io/reactor.h"

namespace plugfleet {

class JobClaims {
 public:
  struct Owner {
    std::function<ClaimRequest()> request;  // what there is room for now; without rooms: nothing
    // One that was claimed, and when that was asked for: its lease ends no sooner than a lease's time after.
    std::function<void(ClaimedJob, Clock::time_point asked)> take;
    std::function<void()> stopped;
  };

  // All outlive the claims, from start() until stopped() is called. `last_poll`: when PostgreSQL answered, unix time.
  JobClaims(Reactor& reactor, Jobs& jobs, Gauge last_poll, Owner owner);

  void start(std::vector<JobKind> kinds);
  // There is room; `more`: there may be jobs to claim as well.
  void wake(bool more);
  // What a claim under way brings is still handed over before stopped() is called.
  void stop();
  bool running() const { return running_; }

 private:
  Async<void> claim_until_stopped(std::vector<JobKind> kinds);
  Async<void> declare(std::vector<JobKind> kinds);
  Async<std::optional<std::vector<ClaimedJob>>> claim(ClaimRequest request);
  Async<void> its_turn();

  Reactor& reactor_;
  Jobs& jobs_;
  const Gauge last_poll_;
  const Owner owner_;
  bool running_ = false, stopping_ = false;
  bool more_ = true, last_was_full_ = false;  // more may wait than the last claim gave
  Clock::time_point last_{};
  Waiter* napping_ = nullptr;
};

}  // namespace plugfleet
