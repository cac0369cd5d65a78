#include "io/gate.h"

#include "io/parallel.h"
#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

Async<void> pass_through(Gate& gate, std::vector<int>& order, int number, Waiter& go) {
  const Gate::Pass pass = co_await gate.enter();
  order.push_back(number);
  co_await go.wait_for(10s);
}

struct Work {
  int running = 0, most = 0, done = 0;
};

Async<void> work(Work& w, std::size_t index, std::size_t failing) {
  w.most = std::max(w.most, ++w.running);
  struct Leave {
    int& running;
    ~Leave() { --running; }
  } leave{w.running};
  co_await sleep_for(1ms);
  if (index == failing) throw Failure(FailureKind::conflict, "this one");
  ++w.done;
}

Async<void> forever(int& running) {
  ++running;
  struct Leave {
    int& running;
    ~Leave() { --running; }
  } leave{running};
  co_await sleep_for(60s);
}

Async<void> parent(Reactor& reactor, int& running) {
  std::function<Async<void>(std::size_t)> each = [&running](std::size_t) { return forever(running); };
  co_await for_each_parallel(reactor, 5, {.width = 3}, std::move(each));
}

}  // namespace

ASYNC_TEST(a_gate_lets_in_its_number_and_then_in_order) {
  Gate gate(1);
  std::vector<int> order;
  Waiter go[3];
  const TaskPtr first = reactor.spawn(pass_through(gate, order, 0, go[0]));
  UNTIL(gate.inside() == 1);
  const TaskPtr second = reactor.spawn(pass_through(gate, order, 1, go[1]));
  const TaskPtr third = reactor.spawn(pass_through(gate, order, 2, go[2]));
  UNTIL(gate.waiting() == 2);
  second->cancel(Failure(FailureKind::cancelled, "left the line"));
  UNTIL(gate.waiting() == 1);
  go[0].resume();
  UNTIL(order.size() == 2);
  CHECK_EQ(order[1], 2);
  go[2].resume();
  UNTIL(third->ended());
  CHECK_EQ(gate.inside(), 0u);
}

ASYNC_TEST(a_place_handed_to_one_who_is_cancelled_goes_to_the_next) {
  Gate gate(1);
  std::vector<int> order;
  Waiter go[3];
  reactor.spawn(pass_through(gate, order, 0, go[0]));
  UNTIL(gate.inside() == 1);
  const TaskPtr second = reactor.spawn(pass_through(gate, order, 1, go[1]));
  const TaskPtr third = reactor.spawn(pass_through(gate, order, 2, go[2]));
  UNTIL(gate.waiting() == 2);
  go[0].resume();
  while (gate.waiting() == 2) co_await sleep_for(0ms);
  second->cancel(Failure(FailureKind::cancelled, "too late"));  // it may hold the place, or be about to
  go[1].resume();
  go[2].resume();
  UNTIL(third->ended());
  CHECK_EQ(order.back(), 2);
  CHECK_EQ(gate.inside(), 0u);
}

ASYNC_TEST(parallel_work_keeps_to_its_width) {
  Work w;
  std::function<Async<void>(std::size_t)> each = [&w](std::size_t i) { return work(w, i, 999); };
  co_await for_each_parallel(reactor, 20, {.width = 4}, std::move(each));
  CHECK_EQ(w.done, 20);
  CHECK_EQ(w.most, 4);
}

ASYNC_TEST(the_first_failure_stops_the_others_and_is_thrown_when_all_have_ended) {
  Work w;
  std::function<Async<void>(std::size_t)> each = [&w](std::size_t i) { return work(w, i, 1); };
  bool thrown = false;
  try {
    co_await for_each_parallel(reactor, 20, {.width = 4}, std::move(each));
  } catch (const Failure& failure) {
    thrown = failure.kind() == FailureKind::conflict;
  }
  CHECK(thrown);
  CHECK_EQ(w.running, 0);
  CHECK(w.done < 10);
}

ASYNC_TEST(a_deadline_ends_what_is_under_way_without_a_failure) {
  int running = 0;
  std::function<Async<void>(std::size_t)> each = [&running](std::size_t) { return forever(running); };
  co_await for_each_parallel(reactor, 5, {.width = 3, .deadline = Clock::now() + 10ms}, std::move(each));
  CHECK_EQ(running, 0);
}

ASYNC_TEST(a_cancelled_parent_ends_only_after_its_children) {
  int running = 0;
  int left_behind = -1;
  auto ended = std::make_shared<Waiter>();
  const TaskPtr task = reactor.spawn(parent(reactor, running), [&, ended](std::exception_ptr) {
    left_behind = running;
    ended->resume();
  });
  UNTIL(running == 3);
  task->cancel(Failure(FailureKind::cancelled, "the client left"));
  co_await ended->wait();
  CHECK_EQ(left_behind, 0);
}
