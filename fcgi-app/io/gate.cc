#include "io/gate.h"

#include <cassert>

namespace plugfleet {

Async<Gate::Pass> Gate::enter() {
  if (inside_ < max_) {
    ++inside_;
    co_return Pass(*this);
  }
  Waiter turn;
  const auto place = line_.insert(line_.end(), &turn);
  // Whoever leaves hands its place over before the one in line runs; a cancelled one hands it on.
  struct InLine {
    Gate& gate;
    std::list<Waiter*>::iterator place;
    Waiter& turn;
    bool taken = false;
    ~InLine() {
      if (!turn.resumed()) {
        gate.line_.erase(place);
      } else if (!taken) {
        gate.leave();
      }
    }
  } in_line{*this, place, turn};
  co_await turn.wait();
  in_line.taken = true;
  co_return Pass(*this);
}

void Gate::leave() {
  assert(inside_ > 0 && inside_ <= max_);
  if (line_.empty()) {
    --inside_;
    return;
  }
  Waiter* const next = line_.front();
  line_.pop_front();
  next->resume();
}

}  // namespace plugfleet
