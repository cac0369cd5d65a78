#include "io/parallel.h"

#include <utility>
#include <vector>

namespace plugfleet {
namespace {

struct Lanes {
  std::size_t next = 0, count = 0, running = 0;
  bool stopped = false;
  std::exception_ptr first;
  std::function<Async<void>(std::size_t)> each;
  std::vector<TaskPtr> tasks;
  Waiter ended;

  void stop() {
    stopped = true;
    for (const TaskPtr& task : tasks) task->cancel(Failure(FailureKind::cancelled, "no longer wanted"));
  }
};

Async<void> run_lane(std::shared_ptr<Lanes> lanes) {
  while (!lanes->stopped && lanes->next < lanes->count) {
    const std::size_t index = lanes->next++;
    co_await lanes->each(index);
  }
}

struct Pair {
  std::size_t running = 0;
  bool decided = false;
  std::exception_ptr first;
  std::vector<TaskPtr> tasks;
  Waiter ended;

  void decide() {
    decided = true;
    for (const TaskPtr& task : tasks) task->cancel(Failure(FailureKind::cancelled, "the other was first"));
  }
};

Async<void> run_one(std::shared_ptr<Pair> pair, Async<bool> body) {
  const bool decides = co_await std::move(body);
  if (decides) pair->decide();
}

void start_one(Reactor& reactor, const std::shared_ptr<Pair>& pair, Async<bool> body) {
  if (pair->decided) return;
  ++pair->running;
  pair->tasks.push_back(reactor.spawn(run_one(pair, std::move(body)), [pair](std::exception_ptr failure) {
    if (failure && !pair->decided) {
      pair->first = failure;
      pair->decide();
    }
    if (--pair->running == 0) pair->ended.resume();
  }));
}

}  // namespace

Async<void> for_each_parallel(Reactor& reactor, std::size_t count, ParallelBounds bounds,
                              std::function<Async<void>(std::size_t)> each) {
  if (count == 0) co_return;
  auto lanes = std::make_shared<Lanes>();
  lanes->count = count;
  lanes->each = std::move(each);
  lanes->running = std::min(bounds.width, count);
  for (std::size_t i = lanes->running; i > 0; --i) {
    lanes->tasks.push_back(reactor.spawn(run_lane(lanes), [lanes](std::exception_ptr failure) {
      if (failure && !lanes->stopped) {
        lanes->first = failure;
        lanes->stop();
      }
      if (--lanes->running == 0) lanes->ended.resume();
    }));
  }
  Timer deadline(reactor);
  if (bounds.deadline != Clock::time_point::max()) {
    deadline.arm(std::max(bounds.deadline - Clock::now(), Clock::duration::zero()), [lanes] { lanes->stop(); });
  }
  co_await join(lanes->ended, [lanes] { lanes->stop(); });
  if (lanes->first) std::rethrow_exception(lanes->first);
}

Async<void> first_of_two(Reactor& reactor, Async<bool> one, Async<bool> other) {
  const auto pair = std::make_shared<Pair>();
  ++pair->running;  // not ended before both have been started
  start_one(reactor, pair, std::move(one));
  start_one(reactor, pair, std::move(other));
  if (--pair->running == 0) pair->ended.resume();
  co_await join(pair->ended, [pair] { pair->decide(); });
  if (pair->first) std::rethrow_exception(pair->first);
}

}  // namespace plugfleet
