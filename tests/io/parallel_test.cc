#include "io/parallel.h"

#include <memory>
#include <string>

#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

struct Seen {
  std::string log;  // a letter as each begins, ends and unwinds
};

struct Marks {
  Seen& seen;
  char name;
  Marks(Seen& s, char n) : seen(s), name(n) { seen.log += name; }
  ~Marks() { seen.log += static_cast<char>(name - 32); }
};

Async<bool> answer_after(Seen& seen, char name, Clock::duration wait, bool decides) {
  const Marks marks(seen, name);
  if (wait > 0ms) co_await sleep_for(wait);
  co_return decides;
}

Async<bool> fail_after(Seen& seen, char name, Clock::duration wait) {
  const Marks marks(seen, name);
  if (wait > 0ms) co_await sleep_for(wait);
  throw Failure(FailureKind::provider_error, "broken");
}

Async<void> race_for_ever(Reactor& reactor, Seen& seen) {
  co_await first_of_two(reactor, answer_after(seen, 'a', 60s, true), answer_after(seen, 'b', 60s, true));
}

}  // namespace

ASYNC_TEST(the_first_to_decide_cancels_the_other_which_has_ended_before_it_returns) {
  Seen seen;
  co_await first_of_two(reactor, answer_after(seen, 'a', 60s, true), answer_after(seen, 'b', 1ms, true));
  CHECK_EQ(seen.log, "abBA");
  seen.log.clear();
  co_await first_of_two(reactor, answer_after(seen, 'a', 1ms, true), answer_after(seen, 'b', 60s, true));
  CHECK_EQ(seen.log, "abAB");
}

ASYNC_TEST(where_the_first_decides_nothing_the_other_runs_to_its_end) {
  Seen seen;
  co_await first_of_two(reactor, answer_after(seen, 'a', 1ms, false), answer_after(seen, 'b', 20ms, true));
  CHECK_EQ(seen.log, "abAB");
  seen.log.clear();
  co_await first_of_two(reactor, answer_after(seen, 'a', 20ms, false), answer_after(seen, 'b', 1ms, false));
  CHECK_EQ(seen.log, "abBA");
}

ASYNC_TEST(one_that_decides_without_waiting_spares_the_other) {
  Seen seen;
  co_await first_of_two(reactor, answer_after(seen, 'a', 0ms, true), answer_after(seen, 'b', 60s, true));
  CHECK_EQ(seen.log, "aA");
  co_await first_of_two(reactor, answer_after(seen, 'a', 0ms, false), answer_after(seen, 'b', 0ms, false));
  CHECK_EQ(seen.log, "aAaAbB");
}

ASYNC_TEST(an_exception_cancels_the_other_and_is_thrown) {
  for (const auto wait : {0ms, 1ms}) {
    Seen seen;
    const auto kind = co_await test::failure_of(
        first_of_two(reactor, answer_after(seen, 'a', 60s, true), fail_after(seen, 'b', wait)));
    CHECK(kind == FailureKind::provider_error);
    CHECK_EQ(seen.log, "abBA");
  }
  Seen seen;
  const auto kind =
      co_await test::failure_of(first_of_two(reactor, fail_after(seen, 'a', 0ms), answer_after(seen, 'b', 60s, true)));
  CHECK(kind == FailureKind::provider_error);
  CHECK_EQ(seen.log, "aAbB");
}

ASYNC_TEST(whoever_is_cancelled_leaves_neither_behind) {
  Seen seen;
  Waiter ended;
  std::exception_ptr failure;
  const TaskPtr task = reactor.spawn(race_for_ever(reactor, seen), [&](std::exception_ptr e) {
    failure = e;
    ended.resume();
  });
  task->cancel(Failure(FailureKind::cancelled, "the client left"));
  co_await ended.wait();
  CHECK(failure != nullptr);
  CHECK_EQ(seen.log.substr(0, 2), "ab");
  CHECK_EQ(seen.log.size(), 4u);
}
