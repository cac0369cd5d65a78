#include "io/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "base/log.h"

namespace plugfleet {
namespace {

constexpr std::size_t kThreads = 2;
constexpr auto kLogLineWaits = 10ms;  // lines are written together: a write for each was a tenth of a small request
constexpr asio::use_awaitable_t<Executor> kAwait;

class SpawnedTask : public Task {
 public:
  void cancel(Failure reason) override {
    if (ended_ || reason_) return;
    reason_ = std::move(reason);
    signal_.emit(asio::cancellation_type::terminal);
  }
  bool ended() const override { return ended_; }

  // A cancelled task ends with the reason it was cancelled for, whatever its last wait threw.
  void end(std::exception_ptr failure, Reactor::Done& done) {
    ended_ = true;
    if (failure && reason_) failure = std::make_exception_ptr(*reason_);
    if (done) return done(failure);
    if (failure && !reason_) {
      try {
        std::rethrow_exception(failure);
      } catch (const std::exception& escaped) {
        log(Severity::error, "task_failed", {{"what", escaped.what()}});
      }
    }
  }

  asio::cancellation_signal signal_;

 private:
  bool ended_ = false;
  std::optional<Failure> reason_;
};

int check(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

}  // namespace

// ---- FdWatch -----------------------------------------------------------------------------------------------------

struct FdWatch::State {
  int fd;
  std::function<void()> on_readable, on_writable;
  std::uint32_t wanted = 0;
};

// All that wakes the reactor is in one epoll set, level triggered.
struct Reactor::Descriptors {
  static constexpr int kEventsATurn = 64;

  Descriptors() : set(check(::epoll_create1(EPOLL_CLOEXEC), "epoll")) {
    try {
      wakes = check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
      epoll_event event{.events = EPOLLIN, .data = {.fd = wakes}};
      check(::epoll_ctl(set, EPOLL_CTL_ADD, wakes, &event), "epoll");
    } catch (...) {
      close();
      throw;
    }
  }
  ~Descriptors() { close(); }
  Descriptors(const Descriptors&) = delete;

  void close() {
    ::close(set);
    if (wakes >= 0) ::close(wakes);
  }

  void add(const std::shared_ptr<FdWatch::State>& state) {
    const auto index = static_cast<std::size_t>(state->fd);
    if (index >= by_fd.size()) by_fd.resize(index + 1);
    by_fd[index] = state;
  }

  void remove(const std::shared_ptr<FdWatch::State>& state) {
    want(*state, 0);
    auto& place = by_fd[static_cast<std::size_t>(state->fd)];
    if (place == state) place.reset();
  }

  void want(FdWatch::State& state, std::uint32_t wanted) {
    if (wanted == state.wanted) return;
    const int operation = state.wanted == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    epoll_event event{.events = wanted, .data = {.fd = state.fd}};
    const int result = ::epoll_ctl(set, operation, state.fd, &event);
    if (operation != EPOLL_CTL_DEL) check(result, "epoll");  // a descriptor closed already has left the set by itself
    state.wanted = wanted;
    if (operation == EPOLL_CTL_ADD) ++watched;
    if (operation == EPOLL_CTL_DEL) --watched;
  }

  // Waits for at most `timeout`, or for good, and calls those that are ready, and after each what it asked to be run.
  void wait(std::optional<Clock::duration> timeout, Reactor& reactor) {
    std::array<epoll_event, kEventsATurn> events;
    timespec longest{};
    if (timeout) {
      const auto seconds = std::chrono::floor<std::chrono::seconds>(*timeout);
      longest = {.tv_sec = seconds.count(), .tv_nsec = (*timeout - seconds).count()};
    }
    const int count = ::epoll_pwait2(set, events.data(), kEventsATurn, timeout ? &longest : nullptr, nullptr);
    if (count < 0 && errno != EINTR) check(count, "epoll");
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == wakes) {
        std::uint64_t times;
        [[maybe_unused]] const auto got = ::read(wakes, &times, sizeof times);
        continue;
      }
      // A callback may end any watch, its own included, and may open another on the same descriptor.
      const std::shared_ptr<FdWatch::State> state = by_fd[static_cast<std::size_t>(events[i].data.fd)];
      if (!state) continue;
      const std::uint32_t ready = events[i].events;
      const bool broken = ready & (EPOLLHUP | EPOLLERR);  // whoever reads or writes will be told
      if ((broken || ready & EPOLLIN) && state->wanted & EPOLLIN) state->on_readable();
      if ((broken || ready & EPOLLOUT) && state->wanted & EPOLLOUT) state->on_writable();
      reactor.run_ready();
    }
  }

  void wake() const {
    const std::uint64_t once = 1;
    [[maybe_unused]] const auto written = ::write(wakes, &once, sizeof once);
  }

  int set, wakes = -1;
  std::vector<std::shared_ptr<FdWatch::State>> by_fd;
  int watched = 0;
};

FdWatch::FdWatch(Reactor& reactor, int fd, std::function<void()> on_readable, std::function<void()> on_writable)
    : descriptors_(*reactor.descriptors_),
      state_(std::make_shared<State>(fd, std::move(on_readable), std::move(on_writable))) {
  descriptors_.add(state_);
}

FdWatch::~FdWatch() { descriptors_.remove(state_); }

void FdWatch::want(Events events, bool on) {
  descriptors_.want(*state_, on ? state_->wanted | events : state_->wanted & ~std::uint32_t{events});
}

// ---- Reactor -----------------------------------------------------------------------------------------------------

struct Reactor::Pool {
  asio::thread_pool threads{kThreads};
};

Reactor::Reactor() : descriptors_(std::make_unique<Descriptors>()) {
  log_on_first_line([this] {
    post([this] {
      if (!log_timer_) log_timer_ = std::make_unique<Timer>(*this);
      log_timer_->arm(kLogLineWaits, log_flush);
    });
  });
}

Reactor::~Reactor() {
  log_on_first_line({});
  if (pool_) pool_->threads.join();
  log_flush();
  take_posted();
  while (!ready_.empty()) ready_.pop_front();  // what they held may use the reactor as it goes
}

void Reactor::run() {
  const struct Running {
    bool& flag;
    ~Running() { flag = false; }
  } running{running_ = true};
  while (!stopped_) {
    take_posted();
    run_ready();
    if (stopped_) break;
    std::optional<Clock::duration> timeout;
    if (!ready_.empty()) {
      timeout = 0s;
    } else if (!timers_.empty()) {
      timeout = std::max<Clock::duration>(timers_.begin()->first - Clock::now(), 0s);
    } else if (descriptors_->watched == 0 && offloaded_ == 0) {
      break;
    }
    descriptors_->wait(timeout, *this);
    run_timers();
  }
}

void Reactor::stop() {
  stopped_ = true;
  descriptors_->wake();
}

void Reactor::post(Function fn) {
  {
    const std::lock_guard lock(posted_lock_);
    posted_.push_back(std::move(fn));
    if (posted_.size() > 1) return;
  }
  descriptors_->wake();
}

void Reactor::take_posted() {
  std::vector<Function> posted;
  {
    const std::lock_guard lock(posted_lock_);
    posted.swap(posted_);
  }
  for (Function& fn : posted) ready_.push_back(std::move(fn));
}

// What these ask to be run later waits until the next descriptor, or the timers, have had their turn.
void Reactor::run_ready() {
  for (auto left = ready_.size(); left > 0 && !stopped_; --left) {
    Function fn = std::move(ready_.front());
    ready_.pop_front();
    fn();
  }
}

void Reactor::run_timers() {
  if (timers_.empty()) return;
  const auto now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now && !stopped_) {
    Timer& timer = *timers_.begin()->second;
    const auto fn = std::move(timer.fn_);
    timer.disarm();
    fn();
  }
}

TaskPtr Reactor::spawn(Async<void> body, Done done) {
  auto task = std::make_shared<SpawnedTask>();
  asio::co_spawn(
      Executor(*this), std::move(body),
      asio::bind_cancellation_slot(task->signal_.slot(), [task, done = std::move(done)](std::exception_ptr e) mutable {
        task->end(std::move(e), done);
      }));
  return task;
}

Async<void> Reactor::offload_erased(std::function<void()> work) {
  if (!pool_) pool_ = std::make_unique<Pool>();
  struct Shared {
    Waiter waiter;
    std::exception_ptr failure;
  };
  auto shared = std::make_shared<Shared>();
  ++offloaded_;
  asio::post(pool_->threads, [this, shared, work = std::move(work)]() mutable {
    try {
      work();
    } catch (...) {
      shared->failure = std::current_exception();
    }
    work = {};
    post([this, shared = std::move(shared)] {
      --offloaded_;
      shared->waiter.resume();
    });
  });
  co_await join(shared->waiter);
  if (shared->failure) std::rethrow_exception(shared->failure);
}

// ---- Timer -------------------------------------------------------------------------------------------------------

void Timer::arm(Clock::duration delay, std::function<void()> fn) {
  disarm();
  fn_ = std::move(fn);
  place_ = reactor_.timers_.emplace(Clock::now() + delay, this);
  armed_ = true;
}

void Timer::disarm() {
  if (!std::exchange(armed_, false)) return;
  reactor_.timers_.erase(place_);
  fn_ = {};
}

// ---- Signals -----------------------------------------------------------------------------------------------------

struct Signals::State {
  State(Reactor& reactor, const sigset_t& set, std::function<void(int)> call)
      : signals(set),
        fd(check(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd")),
        fn(std::move(call)),
        watch(reactor, fd, [this] { arrived(); }, {}) {
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    watch.want_read(true);
  }
  ~State() {
    watch.want_read(false);
    ::close(fd);
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  }

  void arrived() const {
    signalfd_siginfo info;
    if (::read(fd, &info, sizeof info) != sizeof info) return;
    const auto call = fn;  // which may end this
    call(static_cast<int>(info.ssi_signo));
  }

  sigset_t signals;
  int fd;
  std::function<void(int)> fn;
  FdWatch watch;
};

Signals::Signals(Reactor& reactor, std::initializer_list<int> numbers, std::function<void(int)> fn) {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : numbers) ::sigaddset(&signals, number);
  state_ = std::make_unique<State>(reactor, signals, std::move(fn));
}

Signals::~Signals() = default;

// ---- Waiter ------------------------------------------------------------------------------------------------------

struct Waiter::State {
  Reactor* reactor = nullptr;
  Reactor::Function handler;
  bool resumed = false, cancelled = false;

  // Later, not here: whoever resumes or cancels does not find the coroutine running inside its own stack.
  void complete() {
    if (handler) reactor->later(std::exchange(handler, {}));
  }
};

Waiter::Waiter() : state_(std::make_shared<State>()) {}
Waiter::~Waiter() = default;

Async<void> Waiter::wait() {
  const auto state = state_;
  if (state->resumed) co_return;
  state->cancelled = false;
  const Executor executor = co_await asio::this_coro::executor;
  state->reactor = &executor.reactor();
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(
      [state](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        state->handler = std::move(handler);
        if (slot.is_connected()) {
          slot.assign([weak = std::weak_ptr(state)](asio::cancellation_type) {
            if (const auto locked = weak.lock(); locked && !locked->resumed) {
              locked->cancelled = true;
              locked->complete();
            }
          });
        }
      },
      kAwait);
  if (state->cancelled) throw Failure(Kind::cancelled, "cancelled");
}

Async<bool> Waiter::wait_for(Clock::duration timeout) {
  if (state_->resumed) co_return true;
  const Executor executor = co_await asio::this_coro::executor;
  const auto state = state_;
  bool late = false;
  Timer timer(executor.reactor());
  timer.arm(timeout, [&state, &late] {
    if (!state->handler) return;
    late = true;
    state->complete();
  });
  co_await wait();
  co_return !late;
}

void Waiter::resume() {
  if (std::exchange(state_->resumed, true)) return;
  state_->complete();
}

bool Waiter::resumed() const { return state_->resumed; }

Async<void> join(Waiter& ended, std::function<void()> stop) {
  std::exception_ptr cancelled;
  try {
    co_await ended.wait();
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (!cancelled) co_return;
  if (stop) stop();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await ended.wait();
  std::rethrow_exception(cancelled);
}

Async<void> sleep_for(Clock::duration duration) {
  Waiter never;
  co_await never.wait_for(duration);
}

}  // namespace plugfleet
