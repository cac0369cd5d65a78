#include "io/async.h"

#include <cassert>
#include <utility>

#include "base/log.h"
#include "io/reactor.h"

namespace plugfleet {

// ---- Task ---------------------------------------------------------------------------------------------------------

// What the reactor runs of a task. Never run, because the reactor is gone, it destroys the task's coroutines.
struct Task::Turn {
  Turn(Task& the_task, void (Task::*its_part)()) : task(&the_task), part(its_part) {}
  Turn(Turn&& other) noexcept : task(std::exchange(other.task, nullptr)), part(other.part) {}
  ~Turn() {
    if (task) task->abandon();
  }
  void operator()() { (std::exchange(task, nullptr)->*part)(); }

  Task* task;
  void (Task::*part)();
};

// Until it has ended the task owns itself.
TaskPtr Reactor::spawn(Async<void> body, Task::Done done) {
  const auto task = std::make_shared<Task>(*this, std::move(body), std::move(done));
  task->self_ = task;
  if (running_) {
    task->start();
  } else {
    later(Task::Turn(*task, &Task::start));
  }
  return task;
}

void Task::cancel(Failure reason) {
  if (ended_ || reason_) return;
  reason_ = std::move(reason);
  if (!wait_) return;
  wait_->cancelled_ = true;
  wait_->complete();
}

void Task::start() {
  body_.handle_.promise().task = this;
  // A5: whoever spawns the task does not have it yet.
  if (reason_ || run(body_.handle_)) reactor_.later(Turn(*this, &Task::end));
}

void Task::go_on() {
  if (run(std::exchange(suspended_, {}))) end();
}

bool Task::run(std::coroutine_handle<> coroutine) {
  assert(!ended_ && !wait_);
  coroutine.resume();
  if (!body_.handle_.done()) return false;
  failure_ = std::move(body_.handle_.promise().failure);
  body_ = {};
  return true;
}

// A4, A5
void Task::end() {
  const TaskPtr self = std::move(self_);
  ended_ = true;
  const bool began = !body_.handle_;  // and has ended: run() let go of it
  const bool cancelled = reason_ && (failure_ || !began);
  body_ = {};
  if (cancelled) failure_ = std::make_exception_ptr(*reason_);
  if (done_) return std::exchange(done_, {})(std::move(failure_));
  if (!failure_ || cancelled) return;
  try {
    std::rethrow_exception(std::move(failure_));
  } catch (const std::exception& escaped) {
    log(Severity::error, "task_failed", {{"what", escaped.what()}});
  }
}

void Task::abandon() {
  const TaskPtr self = std::move(self_);
  body_ = {};
}

void Task::throw_if_cancelled() const {
  if (reason_ && !joining_) throw Cancellation();
}

// ---- Waiter -------------------------------------------------------------------------------------------------------

Waiter::~Waiter() {
  if (wait_) wait_->waiter_ = nullptr;
}

void Waiter::resume() {
  if (std::exchange(resumed_, true)) return;
  if (wait_) wait_->complete();
}

Async<bool> Waiter::wait_for(Clock::duration timeout) {
  if (resumed_) co_return true;
  Task& task = co_await AsyncPromiseBase::ThisTask{};
  Wait waiting(*this);
  bool late = false;
  Timer timer(task.reactor_);
  timer.arm(timeout, [&] {
    if (task.wait_ != &waiting) return;
    late = true;
    waiting.complete();
  });
  co_await std::move(waiting);
  co_return !late;
}

Waiter::Wait::~Wait() {
  if (waiter_ && waiter_->wait_ == this) waiter_->wait_ = nullptr;
  if (task_ && task_->wait_ == this) task_->wait_ = nullptr;
}

void Waiter::Wait::await_suspend(std::coroutine_handle<> suspended) {
  assert(!waiter_->wait_ && !task_->wait_);  // A2
  waiter_->wait_ = task_->wait_ = this;
  task_->suspended_ = suspended;
}

void Waiter::Wait::await_resume() const {
  if (cancelled_) throw Cancellation();
}

// A1: the coroutine goes on later, not inside whoever resumes or cancels it.
void Waiter::Wait::complete() {
  if (waiter_) std::exchange(waiter_, nullptr)->wait_ = nullptr;
  task_->wait_ = nullptr;
  task_->reactor_.later(Task::Turn(*task_, &Task::go_on));
}

Async<void> sleep_for(Clock::duration duration) {
  Waiter never;
  co_await never.wait_for(duration);
}

Async<void> join(Waiter& ended, std::function<void()> stop) {
  bool cancelled = false;
  try {
    co_await ended.wait();
  } catch (const Cancellation&) {
    cancelled = true;
  }
  if (!cancelled) co_return;
  if (stop) stop();
  Task& task = co_await AsyncPromiseBase::ThisTask{};
  task.joining_ = true;
  co_await ended.wait();
  task.joining_ = false;
  throw Cancellation();
}

}  // namespace plugfleet
