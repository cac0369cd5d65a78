#include "io/reactor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

Async<void> hold(std::shared_ptr<int>, Waiter* waiter) {
  if (waiter) co_await waiter->wait();
}

struct Pipe {
  Pipe() {
    int ends[2];
    CHECK_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    reading = ends[0];
    writing = ends[1];
  }
  ~Pipe() {
    ::close(reading);
    ::close(writing);
  }
  void write() const { CHECK_EQ(::write(writing, "x", 1), 1); }

  int reading, writing;
};

// Everything that is ready, descriptors included, has had its turn.
Async<void> a_turn(Reactor& reactor) {
  Waiter turned;
  Timer timer(reactor);
  timer.arm(0s, [&] { turned.resume(); });
  co_await turned.wait();
}

}  // namespace

TEST(R7_a_reactor_that_goes_destroys_what_was_about_to_run) {
  auto held = std::make_shared<int>(1);
  {
    Reactor reactor;
    reactor.spawn(hold(held, nullptr));  // has not begun
    CHECK_EQ(held.use_count(), 2);
  }
  CHECK_EQ(held.use_count(), 1);
  Waiter waiter;
  {
    Reactor reactor;
    reactor.later([&] {
      reactor.spawn(hold(held, &waiter));
      waiter.resume();
      reactor.stop();
    });
    reactor.run();
    CHECK_EQ(held.use_count(), 2);
  }
  CHECK_EQ(held.use_count(), 1);
}

ASYNC_TEST(offloaded_work_gives_its_value_or_its_exception) {
  std::function<int()> work = [] { return 42; };
  const int value = co_await reactor.offload(std::move(work));
  CHECK_EQ(value, 42);
  std::function<int()> failing = []() -> int { throw Failure(FailureKind::conflict, "no"); };
  bool thrown = false;
  try {
    (void)co_await reactor.offload(std::move(failing));
  } catch (const Failure& failure) {
    thrown = failure.kind() == FailureKind::conflict;
  }
  CHECK(thrown);
}

// Both threads are kept busy until the caller of a third piece of work has gone.
ASYNC_TEST(R5_offloaded_work_that_waits_for_a_thread_ends_with_its_caller) {
  struct Busy {
    std::latch begun{2}, enough{1};
    std::atomic<int> done = 0;
    Waiter ended;
  };
  const auto busy = std::make_shared<Busy>();
  const auto keep_busy = [&reactor](std::shared_ptr<Busy> state) -> Async<void> {
    return [](Reactor& on, std::shared_ptr<Busy> shared) -> Async<void> {
      std::function<int()> work = [shared] { return shared->begun.count_down(), shared->enough.wait(), 0; };
      (void)co_await on.offload(std::move(work));
      if (++shared->done == 2) shared->ended.resume();
    }(reactor, std::move(state));
  };
  reactor.spawn(keep_busy(busy));
  reactor.spawn(keep_busy(busy));
  busy->begun.wait();

  auto third = [](Reactor& on, std::shared_ptr<bool> ran) -> Async<void> {
    std::function<int()> work = [ran] { return *ran = true, 0; };
    (void)co_await on.offload(std::move(work));
  };
  const auto ran = std::make_shared<bool>(false);
  Waiter gone;
  const TaskPtr task = reactor.spawn(third(reactor, ran), [&](std::exception_ptr) { gone.resume(); });
  task->cancel(Failure(FailureKind::cancelled, "the client left"));
  const bool at_once = co_await gone.wait_for(10s);
  busy->enough.count_down();
  co_await busy->ended.wait();
  CHECK(at_once);
  std::function<int()> after = [] { return 0; };
  (void)co_await reactor.offload(std::move(after));  // behind the third
  CHECK(!*ran);
}

ASYNC_TEST(R4_a_timer_armed_again_forgets_the_first) {
  Timer timer(reactor);
  Waiter done;
  int first = 0;
  timer.arm(1ms, [&] { ++first; });
  timer.arm(2ms, [&] { done.resume(); });
  co_await done.wait();
  CHECK_EQ(first, 0);
  CHECK(!timer.armed());
}

ASYNC_TEST(R3_a_watch_tells_of_every_readiness_until_it_is_gone) {
  int ends[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  {
    Waiter twice;
    int seen = 0;
    FdWatch watch(reactor, ends[0],
                  [&] {
                    char byte;
                    CHECK_EQ(read(ends[0], &byte, 1), 1);
                    if (++seen == 2) twice.resume();
                  },
                  {});
    watch.want_read(true);
    CHECK_EQ(write(ends[1], "ab", 2), 2);
    co_await twice.wait();
  }
  CHECK_EQ(write(ends[1], "c", 1), 1);
  for (int i = 0; i < 3; ++i) co_await a_turn(reactor);  // nothing is called any more
  close(ends[0]);
  close(ends[1]);
}

ASYNC_TEST(R3_a_callback_may_end_a_watch_whose_descriptor_is_ready_too) {
  Pipe one, two;
  std::optional<FdWatch> first, second;
  int called = 0;
  first.emplace(reactor, one.reading, [&] { ++called, second.reset(), first.reset(); }, std::function<void()>());
  second.emplace(reactor, two.reading, [&] { ++called, first.reset(), second.reset(); }, std::function<void()>());
  first->want_read(true);
  second->want_read(true);
  one.write();
  two.write();
  UNTIL(called > 0);
  for (int i = 0; i < 3; ++i) co_await a_turn(reactor);
  CHECK_EQ(called, 1);
}

ASYNC_TEST(R3_a_watch_is_not_called_while_it_is_not_wanted) {
  Pipe pipe;
  int called = 0;
  FdWatch watch(reactor, pipe.reading, [&] { ++called, watch.want_read(false); }, {});
  pipe.write();
  for (int i = 0; i < 3; ++i) co_await a_turn(reactor);
  CHECK_EQ(called, 0);
  watch.want_read(true);
  UNTIL(called == 1);
  for (int i = 0; i < 3; ++i) co_await a_turn(reactor);
  CHECK_EQ(called, 1);
}

// Each asks for itself again: the descriptor and the timer still have their turns.
TEST(R2_what_goes_on_asking_keeps_nobody_from_their_turn) {
  Reactor reactor;
  Pipe pipe;
  int asked = 0, read = 0, timed = 0;
  std::function<void()> again = [&] {
    if (++asked < 1'000'000) reactor.later(again);
  };
  reactor.later(again);
  FdWatch watch(reactor, pipe.reading, [&] { ++read, watch.want_read(false); }, {});
  watch.want_read(true);
  pipe.write();
  Timer timer(reactor);
  timer.arm(0s, [&] {
    ++timed;
    reactor.stop();
  });
  reactor.run();
  CHECK_EQ(timed, 1);
  CHECK_EQ(read, 1);
  CHECK(asked < 1000);
}

TEST(R4_timers_run_in_the_order_of_their_times) {
  Reactor reactor;
  std::string order;
  Timer late(reactor), early(reactor), gone(reactor), renewed(reactor);
  late.arm(3ms, [&] { order += "late "; });
  early.arm(1ms, [&] {
    order += "early ";
    renewed.arm(1ms, [&] { order += "renewed "; });
    gone.disarm();
  });
  gone.arm(2ms, [&] { order += "gone "; });
  const auto begun = Clock::now();
  reactor.run();  // R6
  CHECK(Clock::now() - begun >= 3ms);
  CHECK(order.starts_with("early "));
  CHECK_EQ(order.size(), std::string("early late renewed ").size());
}

TEST(R6_run_returns_where_nothing_is_left_that_could_wake_it) {
  Reactor reactor;
  Waiter later;
  bool offloaded = false;
  reactor.run();
  reactor.spawn([](Reactor& on, bool* done) -> Async<void> {
    std::function<int()> work = [] { return 1; };
    (void)co_await on.offload(std::move(work));
    *done = true;
  }(reactor, &offloaded));
  reactor.run();
  CHECK(offloaded);
  reactor.spawn([](Waiter* waiter) -> Async<void> { co_await waiter->wait(); }(&later));
  reactor.run();
  later.resume();
  reactor.run();
}

TEST(R1_what_other_threads_post_runs_on_the_reactors_thread_in_their_order) {
  Reactor reactor;
  const auto its_thread = std::this_thread::get_id();
  std::vector<int> seen;
  bool elsewhere = false;
  std::thread poster([&] {
    for (int i = 0; i < 1000; ++i) {
      reactor.post([&, i] {
        elsewhere = elsewhere || std::this_thread::get_id() != its_thread;
        seen.push_back(i);
        if (i == 999) reactor.stop();
      });
    }
  });
  Timer keeps_it_running(reactor);
  keeps_it_running.arm(30s, [&] { reactor.stop(); });
  reactor.run();
  poster.join();
  CHECK(!elsewhere);
  CHECK_EQ(seen.size(), 1000u);
  CHECK(std::ranges::is_sorted(seen));
}

TEST(signals_are_told_one_by_one) {
  Reactor reactor;
  std::vector<int> seen;
  Signals signals(reactor, {SIGUSR1, SIGUSR2}, [&](int number) {
    seen.push_back(number);
    if (seen.size() == 2) reactor.stop();
  });
  ::raise(SIGUSR2);
  ::raise(SIGUSR1);
  reactor.run();
  std::ranges::sort(seen);
  CHECK_EQ(seen[0], std::min(SIGUSR1, SIGUSR2));
  CHECK_EQ(seen[1], std::max(SIGUSR1, SIGUSR2));
}
