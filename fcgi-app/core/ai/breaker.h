// A circuit breaker for one AI provider, shared by every process of the fleet through Redis. Where a provider fails,
// the next caller is told at once, and until when, instead of waiting for the failure.
//
//   const auto permit = co_await breaker.admit();
//   if (!permit.allowed()) throw Failure(FailureKind::unavailable, "...").retry_after(permit.retry_after());
//   ... the call ...
//   permit.record(CallResult::success);   // a permit that goes without a record was cancelled, and counts as neither
//
// While it is closed a success costs nothing in Redis and a failure one script that nobody waits for; a call waits for
// Redis only when this process has not heard of the breaker for 500 ms. Without Redis the same rules hold for this
// process alone. Nothing runs in the background.
#pragma once

#include <memory>
#include <string>

#include "io/redis.h"

namespace plugfleet {

// It opens at `failures` in a window when they are also half of the window's calls, or more. Every process of the fleet
// must be given the same rules.
struct BreakerRules {
  int failures = 10;
  Clock::duration window = 10s;
  Clock::duration open_for = 5s;  // doubled each time a probe fails
  Clock::duration open_max = 60s;
  Clock::duration probe_for = 30s;  // a probe that has not ended by then (its process died, say) holds up no other
};

enum class BreakerState { closed, open, half_open };
enum class CallResult { success, failure };

struct BreakerView {
  BreakerState state;
  WallClock::time_point until;  // while open: when a probe may pass
};

class Breaker {
 public:
  class Permit;

  // `redis` outlives the reactor's run. `name` is the provider's, from the settings.
  Breaker(Reactor& reactor, Redis& redis, std::string name, BreakerRules rules = {});
  ~Breaker();

  // Throws only when the caller is cancelled.
  Async<Permit> admit();

  // What this process knows, and the same after asking Redis where that is over 500 ms old.
  BreakerView view() const;
  Async<BreakerView> look();

 private:
  class State;
  std::shared_ptr<State> state_;
};

class Breaker::Permit {
 public:
  Permit(Permit&&) = default;
  ~Permit();

  bool allowed() const { return allowed_; }
  bool is_probe() const { return !token_.empty(); }                       // of a breaker that is half-open
  std::chrono::milliseconds retry_after() const { return retry_after_; }  // over 0 where it is not allowed

  // Once, and without waiting.
  void record(CallResult result);

 private:
  friend class Breaker::State;
  explicit Permit(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  // null when refused or recorded
  bool allowed_ = false;
  std::chrono::milliseconds retry_after_{0};
  std::uint64_t opening_;  // the openings this process had seen when the call began
  std::string token_;      // names a probe; empty on other calls
  std::string opened_as_;  // which opening the probe is for; empty where Redis was not there to say
};

}  // namespace plugfleet
