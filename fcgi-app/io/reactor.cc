#include "io/reactor.h"

#include <sys/epoll.h>

#include <array>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

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
  void end(std::exception_ptr failure, const std::function<void(std::exception_ptr)>& done) {
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

}  // namespace

// ---- FdWatch -----------------------------------------------------------------------------------------------------

struct FdWatch::State {
  int fd;
  std::function<void()> on_readable, on_writable;
  std::uint32_t wanted = 0;
};

// All watched descriptors are in one epoll set, level triggered, which the io_context watches as one descriptor. Its
// own way, a descriptor at a time, costs an epoll_ctl and an allocation for every time one becomes ready: measured on
// small requests, a tenth of what they cost.
struct Reactor::Descriptors {
  static constexpr int kEventsATurn = 64;

  explicit Descriptors(asio::io_context& context) : set_(context, check(::epoll_create1(EPOLL_CLOEXEC))) {}

  static int check(int result) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), "epoll");
    return result;
  }

  void add(const std::shared_ptr<FdWatch::State>& state) {
    const auto index = static_cast<std::size_t>(state->fd);
    if (index >= by_fd_.size()) by_fd_.resize(index + 1);
    by_fd_[index] = state;
  }

  void remove(const std::shared_ptr<FdWatch::State>& state) {
    want(*state, 0);
    auto& place = by_fd_[static_cast<std::size_t>(state->fd)];
    if (place == state) place.reset();
  }

  void want(FdWatch::State& state, std::uint32_t wanted) {
    if (wanted == state.wanted) return;
    const int operation = state.wanted == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    epoll_event event{.events = wanted, .data = {.fd = state.fd}};
    const int result = ::epoll_ctl(set_.native_handle(), operation, state.fd, &event);
    if (operation != EPOLL_CTL_DEL) check(result);  // a descriptor closed already has left the set by itself
    state.wanted = wanted;
    if (operation == EPOLL_CTL_ADD && watched_++ == 0) wait();
    if (operation == EPOLL_CTL_DEL && --watched_ == 0) set_.cancel();  // run() may then end
  }

  void wait() {
    if (waiting_) return;
    waiting_ = true;
    set_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const std::error_code& error) {
      waiting_ = false;
      if (!error) dispatch();
      if (watched_ > 0) wait();
    });
  }

  void dispatch() {
    std::array<epoll_event, kEventsATurn> events;
    const int count = ::epoll_wait(set_.native_handle(), events.data(), kEventsATurn, 0);
    for (int i = 0; i < count; ++i) {
      // A callback may end any watch, its own included, and may open another on the same descriptor.
      const std::shared_ptr<FdWatch::State> state = by_fd_[static_cast<std::size_t>(events[i].data.fd)];
      if (!state) continue;
      const std::uint32_t ready = events[i].events;
      const bool broken = ready & (EPOLLHUP | EPOLLERR);  // whoever reads or writes will be told
      if ((broken || ready & EPOLLIN) && state->wanted & EPOLLIN) state->on_readable();
      if ((broken || ready & EPOLLOUT) && state->wanted & EPOLLOUT) state->on_writable();
    }
  }

  asio::posix::stream_descriptor set_;
  std::vector<std::shared_ptr<FdWatch::State>> by_fd_;
  int watched_ = 0;
  bool waiting_ = false;
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

Reactor::Reactor() : context_(1), descriptors_(std::make_unique<Descriptors>(context_)) {
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
}

void Reactor::run() { context_.run(); }
void Reactor::stop() { context_.stop(); }
void Reactor::post(std::function<void()> fn) { asio::post(context_, std::move(fn)); }

TaskPtr Reactor::spawn(Async<void> body, std::function<void(std::exception_ptr)> done) {
  auto task = std::make_shared<SpawnedTask>();
  asio::co_spawn(
      context_.get_executor(), std::move(body),
      asio::bind_cancellation_slot(task->signal_.slot(), [task, done = std::move(done)](std::exception_ptr e) {
        task->end(std::move(e), done);
      }));
  return task;
}

Async<void> Reactor::offload_erased(std::function<void()> work) {
  if (!pool_) pool_ = std::make_unique<Pool>();
  struct Shared {
    Waiter waiter;
    std::exception_ptr failure;
    asio::executor_work_guard<Executor> guard;
    explicit Shared(asio::io_context& context) : guard(asio::make_work_guard(context)) {}
  };
  auto shared = std::make_shared<Shared>(context_);
  asio::post(pool_->threads, [this, shared, work = std::move(work)]() mutable {
    try {
      work();
    } catch (...) {
      shared->failure = std::current_exception();
    }
    work = {};
    post([shared = std::move(shared)] { shared->waiter.resume(); });
  });
  co_await join(shared->waiter);
  if (shared->failure) std::rethrow_exception(shared->failure);
}

// ---- Timer -------------------------------------------------------------------------------------------------------

struct Timer::State {
  asio::steady_timer timer;
  std::uint64_t generation = 0;
  bool armed = false;
};

Timer::Timer(Reactor& reactor) : state_(std::make_shared<State>(State{asio::steady_timer(reactor.context())})) {}
Timer::~Timer() { disarm(); }

void Timer::arm(Clock::duration delay, std::function<void()> fn) {
  state_->armed = true;
  state_->timer.expires_after(delay);
  state_->timer.async_wait(
      [state = state_, generation = ++state_->generation, fn = std::move(fn)](const std::error_code& error) {
        if (error || generation != state->generation) return;
        state->armed = false;
        fn();
      });
}

void Timer::disarm() {
  if (!state_->armed) return;
  state_->armed = false;
  ++state_->generation;
  state_->timer.cancel();
}

bool Timer::armed() const { return state_->armed; }

// ---- Signals -----------------------------------------------------------------------------------------------------

struct Signals::State : std::enable_shared_from_this<Signals::State> {
  State(Reactor& reactor, std::function<void(int)> call) : set(reactor.context()), fn(std::move(call)) {}

  void wait() {
    set.async_wait([self = shared_from_this()](const std::error_code& error, int number) {
      if (error || !self->fn) return;
      const auto call = self->fn;
      call(number);
      if (self->fn) self->wait();
    });
  }

  asio::signal_set set;
  std::function<void(int)> fn;
};

Signals::Signals(Reactor& reactor, std::initializer_list<int> numbers, std::function<void(int)> fn)
    : state_(std::make_shared<State>(reactor, std::move(fn))) {
  for (const int number : numbers) state_->set.add(number);
  state_->wait();
}

Signals::~Signals() {
  state_->fn = {};
  state_->set.cancel();
}

// ---- Waiter ------------------------------------------------------------------------------------------------------

struct Waiter::State {
  std::move_only_function<void()> handler;
  bool resumed = false, cancelled = false;

  void complete() {
    if (auto pending = std::exchange(handler, {})) pending();
  }
};

Waiter::Waiter() : state_(std::make_shared<State>()) {}
Waiter::~Waiter() = default;

Async<void> Waiter::wait() {
  const auto state = state_;
  if (state->resumed) co_return;
  state->cancelled = false;
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(
      [state, executor](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        // Posted, never called: whoever resumes or cancels does not find the coroutine running inside its own stack.
        state->handler = [executor, handler = std::move(handler)]() mutable {
          asio::post(executor, std::move(handler));
        };
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
  const auto executor = co_await asio::this_coro::executor;
  bool late = false;
  asio::steady_timer timer(executor.context(), timeout);
  timer.async_wait([state = std::weak_ptr(state_), &late](const std::error_code& error) {
    const auto locked = error ? nullptr : state.lock();
    if (!locked || !locked->handler) return;
    late = true;
    locked->complete();
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
