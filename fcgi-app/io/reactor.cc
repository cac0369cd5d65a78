#include "io/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <system_error>
#include <thread>

#include "base/log.h"

namespace plugfleet {
namespace {

constexpr std::size_t kThreads = 2;
constexpr auto kLogLineWaits = 10ms;  // lines are written together: a write for each was a tenth of a small request

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
      } else if (call(events[i])) {
        reactor.run_ready();
      }
    }
  }

  // R3. A callback may open another watch on the same descriptor. False where nobody watches it any more.
  bool call(const epoll_event& event) const {
    const std::shared_ptr<FdWatch::State> state = by_fd[static_cast<std::size_t>(event.data.fd)];
    if (!state) return false;
    const bool broken = event.events & (EPOLLHUP | EPOLLERR);  // whoever reads or writes will be told
    if ((broken || event.events & EPOLLIN) && state->wanted & EPOLLIN) state->on_readable();
    if ((broken || event.events & EPOLLOUT) && state->wanted & EPOLLOUT) state->on_writable();
    return true;
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

// Threads for CPU work. At the end what is under way is done, and what waits is not begun.
struct Reactor::Pool {
  Pool() {
    for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back([this] { work(); });
  }
  ~Pool() {
    {
      const std::lock_guard locked(lock);
      ending = true;
    }
    more.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  void add(Function fn) {
    {
      const std::lock_guard locked(lock);
      waiting.push_back(std::move(fn));
    }
    more.notify_one();
  }

  void work() {
    std::unique_lock locked(lock);
    for (;;) {
      more.wait(locked, [this] { return ending || !waiting.empty(); });
      if (ending) return;
      {
        Function fn = std::move(waiting.front());
        waiting.pop_front();
        locked.unlock();
        fn();
      }
      locked.lock();
    }
  }

  std::mutex lock;
  std::condition_variable more;
  std::deque<Function> waiting;
  bool ending = false;
  std::vector<std::thread> threads;
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
  pool_.reset();
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
    if (stopped_ || !has_reason_to_wait()) break;
    descriptors_->wait(longest_wait(), *this);
    run_timers();
  }
}

// R6
bool Reactor::has_reason_to_wait() const {
  return !ready_.empty() || !timers_.empty() || descriptors_->watched > 0 || offloaded_ > 0;
}

// None: until a descriptor is ready.
std::optional<Clock::duration> Reactor::longest_wait() const {
  if (!ready_.empty()) return 0s;
  if (timers_.empty()) return std::nullopt;
  return std::max<Clock::duration>(timers_.begin()->first - Clock::now(), 0s);
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

// R2: those that are there now, and no more.
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

struct Reactor::Offload {
  explicit Offload(std::function<void()> its_work) : work(std::move(its_work)) {}

  // R5: by a thread, which does it then, or by its caller, who no longer wants it.
  bool take() { return !taken.test_and_set(); }

  void run() {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    work = {};
  }

  std::function<void()> work;
  std::atomic_flag taken;
  std::exception_ptr failure;
  Waiter ended;  // the reactor's
};

Async<void> Reactor::offload_erased(std::function<void()> work) {
  if (!pool_) pool_ = std::make_unique<Pool>();
  auto offload = std::make_shared<Offload>(std::move(work));
  ++offloaded_;
  pool_->add([this, offload]() mutable {
    if (!offload->take()) return;
    offload->run();
    post([this, done = std::move(offload)] {
      --offloaded_;
      done->ended.resume();
    });
  });
  std::function<void()> drop = [this, offload] {
    if (!offload->take()) return;
    offload->work = {};
    --offloaded_;
    offload->ended.resume();
  };
  co_await join(offload->ended, std::move(drop));
  if (offload->failure) std::rethrow_exception(offload->failure);
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

}  // namespace plugfleet
