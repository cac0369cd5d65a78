#include "io/reactor.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <latch>

#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

Async<void> wait_on(std::shared_ptr<Waiter> waiter) { co_await waiter->wait(); }

Async<void> note_and_wait_again(std::shared_ptr<int> reached) {
  *reached = 1;
  try {
    co_await sleep_for(60s);
  } catch (const Failure& failure) {
    CHECK(failure.kind() == Kind::cancelled);
    *reached = 2;
  }
  co_await sleep_for(1ms);  // a cancelled task waits no more
  *reached = 3;
}

Async<std::size_t> length_of(std::unique_ptr<std::string> text, int deeper) {
  if (deeper > 0) {
    const auto length = co_await length_of(std::move(text), deeper - 1);
    co_return length;
  }
  co_await sleep_for(1ms);
  if (!text) throw Failure(Kind::not_found, "there is no text");
  co_return text->size();
}

Async<std::int64_t> sum_down_from(std::int64_t number) {
  if (number == 0) co_return 0;
  const auto rest = co_await sum_down_from(number - 1);
  co_return number + rest;
}

Async<void> do_nothing() { co_return; }

Async<void> wait_at_most(Waiter* waiter, Clock::duration time) {
  const bool came = co_await waiter->wait_for(time);
  CHECK(!came);
}

Async<void> join_it(std::shared_ptr<Waiter> used, std::shared_ptr<bool> stopped) {
  std::function<void()> stop = [stopped] { *stopped = true; };
  co_await join(*used, std::move(stop));
}

Async<void> hold(std::shared_ptr<int>, Waiter* waiter) {
  if (waiter) co_await waiter->wait();
}

}  // namespace

ASYNC_TEST(a_waiter_resumed_before_its_wait_does_not_suspend) {
  Waiter waiter;
  waiter.resume();
  co_await waiter.wait();
}

ASYNC_TEST(a_wait_gives_up_at_its_timeout) {
  Waiter waiter;
  const auto before = Clock::now();
  const bool came = co_await waiter.wait_for(20ms);
  CHECK(!came);
  CHECK(Clock::now() - before >= 20ms);
}

ASYNC_TEST(a_cancelled_task_ends_with_its_reason_and_waits_no_more) {
  auto reached = std::make_shared<int>(0);
  auto ended = std::make_shared<Waiter>();
  auto result = std::make_shared<std::exception_ptr>();
  const TaskPtr task = reactor.spawn(note_and_wait_again(reached), [ended, result](std::exception_ptr failure) {
    *result = std::move(failure);
    ended->resume();
  });
  UNTIL(*reached == 1);
  task->cancel(Failure(Kind::request_timeout, "too long"));
  co_await ended->wait();
  CHECK_EQ(*reached, 2);
  bool as_told = false;
  try {
    std::rethrow_exception(*result);
  } catch (const Failure& failure) {
    as_told = failure.kind() == Kind::request_timeout;
  }
  CHECK(as_told);
  CHECK(task->ended());
}

ASYNC_TEST(a_task_cancelled_before_it_ran_ends_too) {
  auto ended = std::make_shared<Waiter>();
  const TaskPtr task = reactor.spawn(wait_on(std::make_shared<Waiter>()), [ended](std::exception_ptr failure) {
    if (failure) ended->resume();
  });
  task->cancel(Failure(Kind::cancelled, "at once"));
  co_await ended->wait();
}

ASYNC_TEST(what_is_awaited_gives_its_value_or_its_exception_through_every_level) {
  const auto length = co_await length_of(std::make_unique<std::string>("four"), 0);
  CHECK_EQ(length, 4u);
  const auto failure = co_await test::failure_of(length_of(nullptr, 3));
  CHECK(failure == Kind::not_found);
}

ASYNC_TEST(a_deep_chain_of_awaits_needs_no_stack) {
  const auto sum = co_await sum_down_from(100'000);
  CHECK_EQ(sum, 5'000'050'000);
}

ASYNC_TEST(a_task_that_ends_at_once_tells_so_after_spawn_has_returned) {
  auto told = std::make_shared<Waiter>();
  TaskPtr task;
  task = reactor.spawn(do_nothing(), [&task, told](std::exception_ptr) {
    CHECK(task && task->ended());
    told->resume();
  });
  CHECK(!task->ended());
  co_await told->wait();
}

ASYNC_TEST(a_waiter_that_is_gone_leaves_who_waits_to_its_timeout_or_its_cancellation) {
  auto waiter = std::make_unique<Waiter>();
  auto ended = std::make_shared<Waiter>();
  const TaskPtr timed = reactor.spawn(wait_at_most(waiter.get(), 20ms), [ended](std::exception_ptr failure) {
    CHECK(!failure);
    ended->resume();
  });
  waiter.reset();
  co_await ended->wait();
  auto gone = std::make_unique<Waiter>();
  auto cancelled = std::make_shared<Waiter>();
  const TaskPtr task = reactor.spawn(wait_at_most(gone.get(), 60s), [cancelled](std::exception_ptr failure) {
    CHECK(failure);
    cancelled->resume();
  });
  gone.reset();
  task->cancel(Failure(Kind::cancelled, "no longer wanted"));
  co_await cancelled->wait();
}

ASYNC_TEST(what_must_be_joined_is_joined_though_the_task_is_cancelled) {
  auto used = std::make_shared<Waiter>();
  auto ended = std::make_shared<Waiter>();
  auto stopped = std::make_shared<bool>(false);
  const TaskPtr task = reactor.spawn(join_it(used, stopped), [ended](std::exception_ptr failure) {
    CHECK(failure);
    ended->resume();
  });
  task->cancel(Failure(Kind::cancelled, "no longer wanted"));
  UNTIL(*stopped);
  CHECK(!task->ended());
  used->resume();
  co_await ended->wait();
}

TEST(a_reactor_that_goes_destroys_what_was_about_to_run) {
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
  std::function<int()> failing = []() -> int { throw Failure(Kind::conflict, "no"); };
  bool thrown = false;
  try {
    (void)co_await reactor.offload(std::move(failing));
  } catch (const Failure& failure) {
    thrown = failure.kind() == Kind::conflict;
  }
  CHECK(thrown);
}

// Both threads are kept busy until the caller of a third piece of work has gone.
ASYNC_TEST(offloaded_work_that_waits_for_a_thread_ends_with_its_caller) {
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
  task->cancel(Failure(Kind::cancelled, "the client left"));
  const bool at_once = co_await gone.wait_for(10s);
  busy->enough.count_down();
  co_await busy->ended.wait();
  CHECK(at_once);
  std::function<int()> after = [] { return 0; };
  (void)co_await reactor.offload(std::move(after));  // behind the third
  CHECK(!*ran);
}

ASYNC_TEST(a_timer_armed_again_forgets_the_first) {
  Timer timer(reactor);
  Waiter done;
  int first = 0;
  timer.arm(1ms, [&] { ++first; });
  timer.arm(2ms, [&] { done.resume(); });
  co_await done.wait();
  CHECK_EQ(first, 0);
  CHECK(!timer.armed());
}

ASYNC_TEST(a_watch_tells_of_every_readiness_until_it_is_gone) {
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
  co_await sleep_for(2ms);  // nothing is called any more
  close(ends[0]);
  close(ends[1]);
}
