// When a runner claims, without the runner: against real PostgreSQL.
#include "host/job_claims.h"

#include "core/jobs/jobs_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

// Claims of one kind, whose jobs are over as soon as they are taken.
struct Claiming {
  Claiming(Reactor& reactor, int its_room)
      : queue(reactor),
        room(its_room),
        claims(reactor, queue.jobs, gauge("test_last_poll_seconds"),
               {.request = [this] { return ClaimRequest{.capacity = {{queue.kind, room}}, .runner = queue.kind}; },
                .take = [this](ClaimedJob, Clock::time_point) { ++taken; },
                .answer = [this](std::string kind) { return answer(std::move(kind)); },
                .pass_on = [this](const auto& kinds) { passed_on.insert(kinds.begin(), kinds.end()); },
                .stopped = [this] { stopped = true; }}) {
    claims.start({{.name = queue.kind}});
  }

  Async<bool> answer(std::string kind) {
    CHECK_EQ(kind, queue.kind);
    ++asked;
    co_return is_first;
  }
  Async<void> end() {
    claims.stop();
    UNTIL(stopped);
  }

  Queue queue;
  int room, taken = 0, asked = 0;
  bool is_first = true, stopped = false;
  std::set<std::string> passed_on;
  JobClaims claims;
};

}  // namespace

ASYNC_TEST(what_another_runner_answers_for_is_left_to_it_until_the_next_poll) {
  Claiming it(reactor, 10);
  co_await it.queue.add();
  UNTIL(it.taken == 1);  // by a poll: nothing was heard
  const auto polled = Clock::now();
  it.is_first = false;
  co_await it.queue.add();
  it.claims.hear(it.queue.kind);
  UNTIL(it.taken == 2);
  CHECK(Clock::now() - polled >= 700ms);
  co_await it.end();
}

ASYNC_TEST(who_has_no_room_for_all_that_it_answered_for_passes_it_on) {
  Claiming it(reactor, 1);
  while (it.passed_on.empty()) {  // a poll may come first
    const int before = it.taken;
    co_await it.queue.jobs.enqueue(it.queue.many(2));
    it.claims.hear(it.queue.kind);
    UNTIL(it.taken == before + 2);
  }
  CHECK(it.passed_on == std::set{it.queue.kind});
  co_await it.end();
}
