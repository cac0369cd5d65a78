#include "io/postgres_cancel.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace plugfleet::postgres {

struct Canceller::State {
  struct Request {
    std::function<void()> ask;
    std::function<void()> returned;
  };

  // Until the canceller has gone.
  void work() {
    std::unique_lock locked(lock);
    for (;;) {
      more.wait(locked, [this] { return !reactor || !waiting.empty(); });
      if (!reactor) return;
      Request request = std::move(waiting.front());
      waiting.pop_front();
      locked.unlock();
      request.ask();
      request.ask = nullptr;
      locked.lock();
      if (reactor) reactor->post(std::move(request.returned));
    }
  }

  explicit State(Reactor& its_reactor) : reactor(&its_reactor) {}

  std::mutex lock;
  std::condition_variable more;
  Reactor* reactor;  // null: the canceller has gone
  std::deque<Request> waiting;
  bool started = false;  // the reactor's own
};

Canceller::Canceller(Reactor& reactor) : state_(std::make_shared<State>(reactor)) {}

Canceller::~Canceller() {
  {
    const std::lock_guard locked(state_->lock);
    state_->reactor = nullptr;
    state_->waiting.clear();
  }
  state_->more.notify_all();
}

void Canceller::cancel(std::function<void()> ask, std::function<void()> returned) {
  {
    const std::lock_guard locked(state_->lock);
    state_->waiting.push_back({std::move(ask), std::move(returned)});
  }
  state_->more.notify_all();
  if (!std::exchange(state_->started, true)) std::thread([state = state_] { state->work(); }).detach();
}

}  // namespace plugfleet::postgres
