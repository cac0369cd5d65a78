// When a runner claims jobs: those of a kind as soon as it hears of them, unless another runner was quicker to answer;
// all it can run at least once a second (what one hears is a hint, and who answered it may die); whenever there is
// room; never twice at once. Declares its kinds first. PostgreSQL may be down at any time.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "core/jobs/jobs.h"
#include "io/reactor.h"

namespace plugfleet {

class JobClaims {
 public:
  struct Owner {
    std::function<ClaimRequest()> request;  // what there is room for now; without capacity: nothing
    // One that was claimed, and when that was asked for: its lease ends no sooner than a lease's time after.
    std::function<void(ClaimedJob, Clock::time_point asked)> take;
    std::function<Async<bool>(std::string kind)> answer;           // what was heard of it: true for one runner
    std::function<void(const std::vector<std::string>&)> pass_on;  // these kinds may have more than there is room for
    std::function<void()> stopped;
  };

  // All outlive the claims, from start() until stopped() is called. `last_poll`: when PostgreSQL answered, unix time.
  JobClaims(Reactor& reactor, Jobs& jobs, Gauge last_poll, Owner owner);

  void start(std::vector<JobKind> kinds);
  // There is room; `more`: there may be jobs to claim as well.
  void wake(bool more);
  // Jobs of the kind were enqueued: all runners hear it.
  void hear(std::string_view kind);
  // What a claim under way brings is still handed over before stopped() is called.
  void stop();
  bool running() const { return running_; }

 private:
  Async<void> claim_until_stopped(std::vector<JobKind> kinds);
  Async<void> declare(std::vector<JobKind> kinds);
  Async<std::optional<std::vector<ClaimedJob>>> claim(ClaimRequest request);
  bool all_are_due() const;
  Async<void> its_turn();
  Async<std::vector<std::string>> answer_heard();

  Reactor& reactor_;
  Jobs& jobs_;
  const Gauge last_poll_;
  const Owner owner_;
  bool running_ = false, stopping_ = false;
  bool more_ = true, last_was_full_ = false;  // more may wait than the last claim gave
  std::set<std::string, std::less<>> heard_;  // kinds, and not answered yet
  Clock::time_point last_{}, poll_at_{};
  Waiter* napping_ = nullptr;
};

}  // namespace plugfleet
