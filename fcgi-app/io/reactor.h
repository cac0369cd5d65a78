// The reactor: the one thread of a process that waits. Everything that waits does so through these things:
//
//   Async<T>   a coroutine; awaited into a name (`const auto row = co_await ...`), parameters by value
//   Task       a coroutine on its own, which can be cancelled
//   Waiter     one coroutine's suspension, ended by resume(), by cancellation or by its timeout, whichever is first
//   Timer      a callback after a while
//   FdWatch    callbacks when a descriptor can be read or written
//
// Cancelling a task ends the wait it is in with Failure (the reason given to cancel), and so every later one: nothing
// started by a cancelled task can wait again. Destructors run as the coroutine unwinds; they must not wait.
//
// Only the reactor's thread may touch what is declared here, except Reactor::post and Reactor::stop.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/execution/blocking.hpp>
#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/failure.h"

namespace plugfleet {

class Reactor;
class Task;
class Timer;
using TaskPtr = std::shared_ptr<Task>;

// How asio's coroutines ask the reactor to run something on its thread: at once where they are there already, unless
// they require that it is done later.
class Executor {
 public:
  explicit Executor(Reactor& reactor, bool later = false) : reactor_(&reactor), later_(later) {}
  Reactor& reactor() const { return *reactor_; }

  template <class F>
  void execute(F fn) const;
  Executor require(asio::execution::blocking_t::never_t) const { return Executor(*reactor_, true); }
  Executor require(asio::execution::blocking_t::possibly_t) const { return Executor(*reactor_, false); }
  bool operator==(const Executor& other) const noexcept { return reactor_ == other.reactor_; }

 private:
  Reactor* reactor_;
  bool later_;
};

template <class T>
using Async = asio::awaitable<T, Executor>;

class Reactor {
 public:
  using Function = std::move_only_function<void()>;
  using Done = std::move_only_function<void(std::exception_ptr)>;

  Reactor();
  ~Reactor();
  Reactor(const Reactor&) = delete;

  // Runs until stop(), or until nothing is left that could wake it.
  void run();
  void stop();

  // Runs `fn` on the reactor's thread, from any thread.
  void post(Function fn);

  // Starts `body` at once; `done` gets the exception that ended it, or null. What escapes without a `done` is logged.
  TaskPtr spawn(Async<void> body, Done done = {});

  // Runs `work` on a small pool of threads: for CPU work over about a millisecond. The work must not touch anything
  // of the reactor. A cancelled caller throws only once the work has ended: it may look into what the caller owns.
  template <class T>
  Async<T> offload(std::function<T()> work);

  // On the reactor's thread: runs `fn` after what is running now.
  void later(Function fn) { ready_.push_back(std::move(fn)); }
  bool running() const { return running_; }

 private:
  friend class FdWatch;
  friend class Timer;
  struct Descriptors;
  struct Pool;

  Async<void> offload_erased(std::function<void()> work);
  void take_posted();
  void run_ready();
  void run_timers();

  std::deque<Function> ready_;
  std::multimap<Clock::time_point, Timer*> timers_;
  bool running_ = false;
  int offloaded_ = 0;

  std::mutex posted_lock_;
  std::vector<Function> posted_;  // by other threads
  std::atomic<bool> stopped_ = false;

  std::unique_ptr<Descriptors> descriptors_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Timer> log_timer_;
};

template <class F>
void Executor::execute(F fn) const {
  if (reactor_->running() && !later_) return fn();
  reactor_->later(std::move(fn));
}

class Task {
 public:
  virtual ~Task() = default;
  // The task's present wait, and every later one, ends with `reason`. Safe when the task has ended.
  virtual void cancel(Failure reason) = 0;
  virtual bool ended() const = 0;
};

class Timer {
 public:
  explicit Timer(Reactor& reactor) : reactor_(reactor) {}
  ~Timer() { disarm(); }
  Timer(const Timer&) = delete;

  // Calls `fn` once, after `delay`; arming again forgets what was armed.
  void arm(Clock::duration delay, std::function<void()> fn);
  void disarm();
  bool armed() const { return armed_; }

 private:
  friend class Reactor;

  Reactor& reactor_;
  std::function<void()> fn_;
  std::multimap<Clock::time_point, Timer*>::iterator place_;
  bool armed_ = false;
};

class Signals {
 public:
  // Calls `fn` with each of these signals that arrives. They are blocked from now on, in threads and programs started
  // later too.
  Signals(Reactor& reactor, std::initializer_list<int> numbers, std::function<void(int)> fn);
  ~Signals();
  Signals(const Signals&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class FdWatch {
 public:
  // Watches `fd`, which stays its owner's and must not be closed before. The callbacks run, again and again while there
  // is something to do (level triggered), as long as the matching want_... is on.
  FdWatch(Reactor& reactor, int fd, std::function<void()> on_readable, std::function<void()> on_writable);
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;

  void want_read(bool on) { want(kRead, on); }
  void want_write(bool on) { want(kWrite, on); }

 private:
  friend struct Reactor::Descriptors;
  enum Events : std::uint32_t { kRead = 1, kWrite = 4 };  // EPOLLIN, EPOLLOUT
  void want(Events events, bool on);

  struct State;
  Reactor::Descriptors& descriptors_;
  std::shared_ptr<State> state_;
};

class Waiter {
 public:
  Waiter();
  ~Waiter();
  Waiter(const Waiter&) = delete;

  // Suspends until resume() (which may have come already). Throws Failure when the task is cancelled.
  Async<void> wait();
  // The same, but gives up after `timeout`: false then.
  Async<bool> wait_for(Clock::duration timeout);

  void resume();
  bool resumed() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

Async<void> sleep_for(Clock::duration duration);

// Waits until `ended` is resumed, come what may: for what still uses things the caller owns. When the task is cancelled
// meanwhile, `stop` is called (it should hurry the end) and the exception is thrown only once `ended` has been resumed.
// Whoever catches that exception must let it through: this task can't be told again that it is cancelled.
Async<void> join(Waiter& ended, std::function<void()> stop = {});

template <class T>
Async<T> Reactor::offload(std::function<T()> work) {
  auto result = std::make_shared<std::optional<T>>();
  std::function<void()> erased = [result, work = std::move(work)] { result->emplace(work()); };
  co_await offload_erased(std::move(erased));
  co_return std::move(**result);
}

}  // namespace plugfleet
