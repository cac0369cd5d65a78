// Asks PostgreSQL to cancel statements. libpq before 17 can only wait while it asks, and without an end where nobody
// answers: on a thread of its own, so that neither the reactor nor the CPU work of its threads stands still meanwhile.
#pragma once

#include <functional>
#include <memory>

#include "io/reactor.h"

struct pg_cancel;

namespace plugfleet::postgres {

class Canceller {
 public:
  explicit Canceller(Reactor& reactor);
  ~Canceller();  // does not wait
  Canceller(const Canceller&) = delete;

  // One after another. `returned` is called on the reactor's thread once the server has been asked, whether or not it
  // did so; from then on it cancels nothing more. May be destroyed on another thread. Takes `request` over.
  void cancel(pg_cancel* request, std::function<void()> returned);

 private:
  struct State;
  std::shared_ptr<State> state_;  // the thread's too
};

}  // namespace plugfleet::postgres
