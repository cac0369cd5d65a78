// Coroutines on the reactor's thread.
//
//   Async<T>      a coroutine that gives a T; awaited into a name (`const auto row = co_await ...`), parameters by value
//   Task          a coroutine on its own (Reactor::spawn) with all that it awaits; it can be cancelled
//   Waiter        one coroutine's suspension, ended by resume(), by cancellation or by its timeout, whichever is first
//   Cancellation  what every wait of a cancelled task throws
//
// The states of a task, and what leads from one to the next:
//
//                 start()               its body waits
//     new ───────────────────> running ────────────────> waiting
//      │                        │   ▲                       │
//      │ start(): cancelled     │   │ go_on()               │ resume(), cancel() or the timeout: Wait::complete()
//      │ before it began        │   └──────── ready <───────┘
//      │                        │ its body returns or throws
//      └──────────> end() <─────┘
//                     │
//                     ▼
//                   ended
//
// What holds (the tests cite these numbers):
//
//  A1. A task runs from Reactor::spawn() and from the reactor's loop alone: never inside resume() or cancel(), so that
//      their callers find everything as they left it.
//  A2. A task is in one wait at most, and a waiter has one who waits at most. What ends the wait first ends it alone.
//  A3. Once cancel() was called, the wait that the task is in and all that it awaits later throw Cancellation: nothing
//      that a cancelled task starts can wait again, but the rest of a join().
//  A4. A task ends with what its body threw; a cancelled one with the reason given to cancel(), unless its body has
//      returned all the same.
//  A5. `done` is called once, after spawn() has returned; the body's coroutines are gone by then, and ended() is true.
//      It is not called where the reactor goes first: then the coroutines are destroyed, the innermost first.
//  A6. Destructors run as a coroutine unwinds; they must not wait.
#pragma once

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/failure.h"

namespace plugfleet {

class Reactor;
class Task;
using TaskPtr = std::shared_ptr<Task>;
template <class T>
struct AsyncPromise;

// Thrown by the waits of a task that has been cancelled (A3). It is not a Failure, so that what is done about one - another
// attempt, a fallback, an answer - is not done for a caller who has left. Whoever catches it must throw it on.
class Cancellation : public std::exception {
 public:
  const char* what() const noexcept override { return "cancelled"; }
};

// Runs once it is awaited, or spawned. Destroying it destroys what of it is suspended, the innermost first.
template <class T>
class [[nodiscard]] Async {
 public:
  using promise_type = AsyncPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Async() = default;
  explicit Async(Handle handle) : handle_(handle) {}
  Async(Async&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Async& operator=(Async&& other) noexcept {
    Async old(std::exchange(handle_, std::exchange(other.handle_, nullptr)));
    return *this;
  }
  ~Async() {
    if (handle_) handle_.destroy();
  }

 private:
  friend class Task;
  friend struct AsyncPromiseBase;
  Handle handle_;
};

// One coroutine at a time waits for it. Gone before it was resumed, it leaves that one waiting until it is cancelled.
class Waiter {
 public:
  class Wait;

  Waiter() = default;
  ~Waiter();
  Waiter(const Waiter&) = delete;

  // Suspends until resume() (which may have come already). Throws Cancellation when the task is cancelled.
  Wait wait();
  // The same, but gives up after `timeout`: false then.
  Async<bool> wait_for(Clock::duration timeout);

  // The coroutine runs later, not inside this call.
  void resume();
  bool resumed() const { return resumed_; }

 private:
  Wait* wait_ = nullptr;
  bool resumed_ = false;
};

class [[nodiscard]] Waiter::Wait {
 public:
  explicit Wait(Waiter& waiter) : waiter_(&waiter) {}
  ~Wait();
  Wait(const Wait&) = delete;

  bool await_ready() const { return waiter_->resumed_; }
  void await_suspend(std::coroutine_handle<> suspended);
  void await_resume() const;

 private:
  friend class Waiter;
  friend class Task;
  friend struct AsyncPromiseBase;
  void complete();

  Waiter* waiter_;
  Task* task_ = nullptr;
  bool cancelled_ = false;  // what ended it was cancel()
};

inline Waiter::Wait Waiter::wait() { return Wait(*this); }

Async<void> sleep_for(Clock::duration duration);

// Waits until `ended` is resumed, come what may: for what still uses things the caller owns. When the task is cancelled
// meanwhile, `stop` is called (it should hurry the end) and Cancellation is thrown only once `ended` has been resumed.
Async<void> join(Waiter& ended, std::function<void()> stop = {});

class Task {
 public:
  using Done = std::move_only_function<void(std::exception_ptr)>;

  Task(Reactor& reactor, Async<void> body, Done done)
      : reactor_(reactor), body_(std::move(body)), done_(std::move(done)) {}
  Task(const Task&) = delete;

  // The task's present wait, and every later one, ends (A3). Does nothing where the task has ended, or was cancelled.
  void cancel(Failure reason);
  bool ended() const { return ended_; }

 private:
  friend class Reactor;
  friend class Waiter;
  friend struct AsyncPromiseBase;
  friend Async<void> join(Waiter& ended, std::function<void()> stop);
  struct Turn;

  void start();
  void go_on();
  void end();
  void abandon();
  bool run(std::coroutine_handle<> coroutine);  // until it waits; whether its body has ended
  void throw_if_cancelled() const;

  Reactor& reactor_;
  Async<void> body_;
  Done done_;
  TaskPtr self_;                       // until it has ended
  Waiter::Wait* wait_ = nullptr;       // the one it is in: waiting
  std::coroutine_handle<> suspended_;  // where it goes on: waiting, ready
  std::exception_ptr failure_;
  std::optional<Failure> reason_;  // it has been cancelled
  bool joining_ = false;           // the rest of a join(), which cancellation does not end
  bool ended_ = false;
};

// ---- What the compiler asks of a coroutine --------------------------------------------------------------------------

struct AsyncPromiseBase {
  // The end of one resumes who awaited it, within the same turn.
  struct End {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> coroutine) const noexcept {
      const std::coroutine_handle<> next = coroutine.promise().awaiting;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  template <class T>
  struct Child {
    Async<T>::Handle handle;
    bool await_ready() const { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) const {
      handle.promise().awaiting = parent;
      return handle;
    }
    T await_resume() const { return handle.promise().result(); }
  };

  // co_await ThisTask{} gives the task.
  struct ThisTask {
    Task* task = nullptr;
    bool await_ready() const { return true; }
    void await_suspend(std::coroutine_handle<>) const {}
    Task& await_resume() const { return *task; }
  };

  template <class T>
  Child<T> await_transform(Async<T>&& child) const {
    task->throw_if_cancelled();
    child.handle_.promise().task = task;
    return {child.handle_};
  }
  Waiter::Wait&& await_transform(Waiter::Wait&& wait) const {
    task->throw_if_cancelled();
    wait.task_ = task;
    return std::move(wait);
  }
  ThisTask await_transform(ThisTask) const { return {task}; }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  End final_suspend() const noexcept { return {}; }
  void unhandled_exception() { failure = std::current_exception(); }
  void rethrow() {
    if (failure) std::rethrow_exception(std::move(failure));
  }

  Task* task = nullptr;
  std::coroutine_handle<> awaiting;
  std::exception_ptr failure;
};

template <class T>
struct AsyncPromise : AsyncPromiseBase {
  Async<T> get_return_object() { return Async<T>(Async<T>::Handle::from_promise(*this)); }
  template <class U = T>
  void return_value(U&& given) {
    value.emplace(std::forward<U>(given));
  }
  T result() {
    rethrow();
    return std::move(*value);
  }

  std::optional<T> value;
};

template <>
struct AsyncPromise<void> : AsyncPromiseBase {
  Async<void> get_return_object() { return Async<void>(Async<void>::Handle::from_promise(*this)); }
  void return_void() {}
  void result() { rethrow(); }
};

}  // namespace plugfleet
