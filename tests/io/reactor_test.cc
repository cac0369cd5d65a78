#include "io/reactor.h"

#include <sys/socket.h>
#include <unistd.h>

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
  co_await sleep_for(1ms);
  CHECK_EQ(*reached, 1);
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
