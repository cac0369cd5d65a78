#include "io/async.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

Async<void> wait_on(std::shared_ptr<Waiter> waiter) { co_await waiter->wait(); }

Async<void> note_and_wait_again(std::shared_ptr<int> reached) {
  *reached = 1;
  try {
    co_await sleep_for(60s);
  } catch (const Cancellation&) {
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
  if (!text) throw Failure(FailureKind::not_found, "there is no text");
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

Async<void> note_how_it_ended(Waiter* waiter, std::string* how) {
  try {
    co_await waiter->wait();
    *how = "resumed, then";
    co_await sleep_for(0s);
    *how += " on";
  } catch (const Cancellation&) {
    *how += how->empty() ? "cancelled" : " cancelled";
    throw;
  }
}

Async<void> fall_back(bool* fell_back) {
  try {
    co_await sleep_for(60s);
  } catch (const Failure&) {
    *fell_back = true;
  }
}

Async<void> join_and_go_on(Waiter* used, int* reached) {
  try {
    co_await join(*used);
  } catch (const Cancellation&) {
    *reached = 1;
  }
  co_await sleep_for(0s);
  *reached = 2;
}

Async<void> swallow_the_cancellation() {
  try {
    co_await sleep_for(60s);
  } catch (const Cancellation&) {
    co_return;
  }
}

Async<void> hold_through(std::shared_ptr<int> held, Waiter* waiter, int deeper) {
  if (deeper == 0) co_await waiter->wait();
  if (deeper > 0) co_await hold_through(held, waiter, deeper - 1);
}

Async<void> note_their_ends(std::string* order, Waiter* waiter, int level) {
  struct End {
    std::string* order;
    int level;
    ~End() { *order += fmt::format("{} ", level); }
  } const end{order, level};
  if (level == 0) co_await waiter->wait();
  if (level > 0) co_await note_their_ends(order, waiter, level - 1);
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

ASYNC_TEST(A3_A4_a_cancelled_task_ends_with_its_reason_and_waits_no_more) {
  auto reached = std::make_shared<int>(0);
  auto ended = std::make_shared<Waiter>();
  auto result = std::make_shared<std::exception_ptr>();
  const TaskPtr task = reactor.spawn(note_and_wait_again(reached), [ended, result](std::exception_ptr failure) {
    *result = std::move(failure);
    ended->resume();
  });
  UNTIL(*reached == 1);
  task->cancel(Failure(FailureKind::request_timeout, "too long"));
  co_await ended->wait();
  CHECK_EQ(*reached, 2);
  bool as_told = false;
  try {
    std::rethrow_exception(*result);
  } catch (const Failure& failure) {
    as_told = failure.kind() == FailureKind::request_timeout;
  }
  CHECK(as_told);
  CHECK(task->ended());
}

ASYNC_TEST(A4_a_task_cancelled_before_it_ran_ends_too) {
  auto ended = std::make_shared<Waiter>();
  const TaskPtr task = reactor.spawn(wait_on(std::make_shared<Waiter>()), [ended](std::exception_ptr failure) {
    if (failure) ended->resume();
  });
  task->cancel(Failure(FailureKind::cancelled, "at once"));
  co_await ended->wait();
}

ASYNC_TEST(what_is_awaited_gives_its_value_or_its_exception_through_every_level) {
  const auto length = co_await length_of(std::make_unique<std::string>("four"), 0);
  CHECK_EQ(length, 4u);
  const auto failure = co_await test::failure_of(length_of(nullptr, 3));
  CHECK(failure == FailureKind::not_found);
}

ASYNC_TEST(a_deep_chain_of_awaits_needs_no_stack) {
  const auto sum = co_await sum_down_from(100'000);
  CHECK_EQ(sum, 5'000'050'000);
}

ASYNC_TEST(A5_a_task_that_ends_at_once_tells_so_after_spawn_has_returned) {
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
  task->cancel(Failure(FailureKind::cancelled, "no longer wanted"));
  co_await cancelled->wait();
}

ASYNC_TEST(A3_what_must_be_joined_is_joined_though_the_task_is_cancelled) {
  auto used = std::make_shared<Waiter>();
  auto ended = std::make_shared<Waiter>();
  auto stopped = std::make_shared<bool>(false);
  const TaskPtr task = reactor.spawn(join_it(used, stopped), [ended](std::exception_ptr failure) {
    CHECK(failure);
    ended->resume();
  });
  task->cancel(Failure(FailureKind::cancelled, "no longer wanted"));
  UNTIL(*stopped);
  CHECK(!task->ended());
  used->resume();
  co_await ended->wait();
}

// A2: both happen before the task runs again.
ASYNC_TEST(A2_what_ends_a_wait_first_ends_it_alone) {
  for (const bool cancelled_first : {true, false}) {
    Waiter waiter, ended;
    std::string how;
    const TaskPtr task = reactor.spawn(note_how_it_ended(&waiter, &how), [&](std::exception_ptr) { ended.resume(); });
    if (cancelled_first) task->cancel(Failure(FailureKind::cancelled, "no longer wanted"));
    waiter.resume();
    if (!cancelled_first) task->cancel(Failure(FailureKind::cancelled, "no longer wanted"));
    CHECK_EQ(how, "");  // A1
    co_await ended.wait();
    CHECK_EQ(how, cancelled_first ? "cancelled" : "resumed, then cancelled");
  }
}

ASYNC_TEST(A2_a_timeout_that_comes_with_the_resume_changes_nothing) {
  Waiter waiter;
  Timer timer(reactor);
  timer.arm(1ms, [&] {
    for (const auto until = Clock::now() + 2ms; Clock::now() < until;) {
    }
    waiter.resume();  // the wait's own timer is due as well, and comes next
  });
  const bool came = co_await waiter.wait_for(2ms);
  CHECK(came);
}

ASYNC_TEST(A1_a_resumed_coroutine_goes_on_after_who_resumed_it) {
  Waiter waiter, ended;
  std::string how;
  reactor.spawn(note_how_it_ended(&waiter, &how), [&](std::exception_ptr) { ended.resume(); });
  waiter.resume();
  waiter.resume();  // once is enough
  CHECK_EQ(how, "");
  co_await ended.wait();
  CHECK_EQ(how, "resumed, then on");
}

ASYNC_TEST(A3_a_cancellation_is_no_failure_that_a_fallback_is_for) {
  Waiter ended;
  bool fell_back = false;
  const TaskPtr task = reactor.spawn(fall_back(&fell_back), [&](std::exception_ptr) { ended.resume(); });
  task->cancel(Failure(FailureKind::unavailable, "the process ends"));
  co_await ended.wait();
  CHECK(!fell_back);
}

ASYNC_TEST(A3_after_a_join_a_cancelled_task_waits_no_more) {
  Waiter used, ended;
  int reached = 0;
  const TaskPtr task = reactor.spawn(join_and_go_on(&used, &reached), [&](std::exception_ptr failure) {
    CHECK(failure);
    ended.resume();
  });
  task->cancel(Failure(FailureKind::cancelled, "no longer wanted"));
  used.resume();
  co_await ended.wait();
  CHECK_EQ(reached, 1);
}

ASYNC_TEST(A4_a_cancelled_task_that_returns_all_the_same_has_succeeded) {
  Waiter ended;
  std::exception_ptr thrown = std::make_exception_ptr(1);
  const TaskPtr task = reactor.spawn(swallow_the_cancellation(), [&](std::exception_ptr failure) {
    thrown = std::move(failure);
    ended.resume();
  });
  task->cancel(Failure(FailureKind::cancelled, "no longer wanted"));
  task->cancel(Failure(FailureKind::internal, "the first one counts"));
  co_await ended.wait();
  CHECK(!thrown);
  task->cancel(Failure(FailureKind::cancelled, "it has ended"));
}

ASYNC_TEST(A5_the_bodys_coroutines_are_gone_when_the_end_is_told) {
  const auto held = std::make_shared<int>(1);
  Waiter waiter, ended;
  const TaskPtr task = reactor.spawn(hold_through(held, &waiter, 3), [&](std::exception_ptr) {
    CHECK_EQ(held.use_count(), 1);
    ended.resume();
  });
  CHECK(held.use_count() > 1);
  task->cancel(Failure(FailureKind::cancelled, "no longer wanted"));
  co_await ended.wait();
}

TEST(A5_a_reactor_that_goes_destroys_the_innermost_first) {
  std::string order;
  {
    Reactor reactor;
    Waiter waiter;
    reactor.spawn(note_their_ends(&order, &waiter, 2), [&](std::exception_ptr) { order += "told"; });
    reactor.later([&] { waiter.resume(), reactor.stop(); });
    reactor.run();  // it is ready, and does not run
    CHECK_EQ(order, "");
  }
  CHECK_EQ(order, "0 1 2 ");
}
