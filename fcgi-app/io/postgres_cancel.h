// Asks PostgreSQL to cancel statements. libpq before 17 can only wait while it asks, and without an end where nobody
// answers: on a thread of its own, so that neither the reactor nor the CPU work of its threads stands still meanwhile.
#pragma once

#include <functional>
#include <memory>

#include "io/reactor.h"

namespace plugfleet::postgres {

class Canceller {
 public:
  explicit Canceller(Reactor& reactor);
  ~Canceller();  // does not wait
  Canceller(const Canceller&) = delete;

  // One after another: `ask` is called, and gone, on the thread, where it may wait; then `returned` on the reactor's,
  // from when on nothing more is cancelled. Either may be destroyed on the other thread.
  void cancel(std::function<void()> ask, std::function<void()> returned);

 private:
  struct State;
  std::shared_ptr<State> state_;  // the thread's too
};

}  // namespace plugfleet::postgres
