// The reactor: the one thread of a process that waits. Everything that waits does so through these things, and through
// those of io/async.h:
//
//   Timer      a callback after a while
//   FdWatch    callbacks when a descriptor can be read or written
//   Signals    a callback for each signal
//
// run() takes one turn after another:
//
//        take_posted()        run_ready()         Descriptors::wait()         run_timers()
//     ┌─> from post() ─────> what later() ─────> each ready descriptor, ─────> those whose ───┐
//     │                      was given           run_ready() after each        time has come  │
//     └───────────────────────────────────────────────────────────────────────────────────────┘
//
// What holds (the tests cite these numbers):
//
//  R1. Callbacks run on the thread that is in run(), one after another. Only post() and stop() may be called on another
//      thread; all else that is declared here and in io/async.h is the reactor's thread's alone.
//  R2. What a callback asks to be run later waits until the next descriptor, or the timers, have had their turn: whoever
//      goes on asking keeps nobody from theirs.
//  R3. A watch that is gone, or whose want_... is off, is not called any more, though its descriptor was ready before.
//      A callback may end any watch, its own included.
//  R4. A timer's callback runs once for each arm(), not before its time, in the order of the times. Armed again, or gone,
//      it forgets what was armed.
//  R5. Offloaded work is begun only while its caller waits for it, and its caller goes on only once it has ended.
//  R6. run() returns when it was stopped, or when nothing is left that could wake it: nothing ready, no timer, no wanted
//      descriptor, no offloaded work.
//  R7. A reactor that goes destroys what was about to run, and runs none of it.
#pragma once

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
#include "io/async.h"

namespace plugfleet {

class Reactor;
class Timer;

class Reactor {
 public:
  using Function = std::move_only_function<void()>;

  Reactor();
  ~Reactor();
  Reactor(const Reactor&) = delete;

  // R6.
  void run();
  void stop();

  // Runs `fn` on the reactor's thread, from any thread.
  void post(Function fn);

  // Starts `body` at once; `done` gets the exception that ended it, or null. What escapes without a `done` is logged.
  TaskPtr spawn(Async<void> body, Task::Done done = {});

  // Runs `work` on a small pool of threads: for CPU work over about a millisecond. The work must not touch anything
  // of the reactor; it may look into what the caller owns (R5). A cancelled caller throws at once where the work still
  // waits for a thread, and it is never done; else once the work has ended.
  template <class T>
  Async<T> offload(std::function<T()> work);

  // Runs `fn` after what is running now (R2).
  void later(Function fn) { ready_.push_back(std::move(fn)); }

 private:
  friend class FdWatch;
  friend class Timer;
  struct Descriptors;
  struct Offload;
  struct Pool;

  Async<void> offload_erased(std::function<void()> work);
  std::optional<Clock::duration> longest_wait() const;
  bool has_reason_to_wait() const;
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

template <class T>
Async<T> Reactor::offload(std::function<T()> work) {
  auto result = std::make_shared<std::optional<T>>();
  std::function<void()> erased = [result, work = std::move(work)] { result->emplace(work()); };
  co_await offload_erased(std::move(erased));
  co_return std::move(**result);
}

}  // namespace plugfleet
