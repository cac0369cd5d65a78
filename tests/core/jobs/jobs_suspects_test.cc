// The queue against real PostgreSQL, through PgBouncer: J14 of the list at the head of core/jobs/jobs.cc, jobs that kill
// whoever runs them.
#include "core/jobs/jobs_sql.h"
#include "core/jobs/jobs_support.h"
#include "wire/json.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

struct Runners : Queue {
  using Queue::Queue;

  Async<std::vector<ClaimedJob>> claim_by(std::string runner, int batch = 10) {
    return jobs.claim({.capacity = {{kind, batch}}, .batch = batch, .runner = kind + "." + runner});
  }
  // It dies, and all of its leases run out.
  Async<void> die(std::vector<ClaimedJob> claimed) {
    for (const ClaimedJob& job : claimed) co_await let_time_pass(job.lease.id);
    for (const ClaimedJob& job : claimed) co_await reap_until_not_processing(job.lease.id);
  }
  // What was put off, or waits for its next attempt, is due.
  Async<void> let_all_be_due() {
    co_await db.query("update live_jobs set run_at = now() - interval '1 s' where type = $1 and turn is null", {kind});
  }
  Async<std::string> state(std::string id) {
    const Rows rows = co_await db.query(
        "select concat_ws(' ', status, 'attempt', attempt, 'losses', losses) from live_jobs where id = $1", {id});
    co_return rows.empty() ? "none" : std::string(rows[0].text(0));
  }
};

}  // namespace

// J14: whom its process died with is suspected, and tried alone.
ASYNC_TEST(a_runner_has_one_suspect_at_a_time) {
  Runners queue(reactor);
  co_await queue.declare();
  co_await queue.jobs.enqueue(queue.many(3));
  auto claimed = co_await queue.claim_by("first");
  CHECK_EQ(claimed.size(), 3u);
  co_await queue.die(claimed);
  co_await queue.let_all_be_due();
  const std::string other = co_await queue.add();

  claimed = co_await queue.claim_by("second");
  CHECK_EQ(claimed.size(), 2u);
  CHECK(claimed[0].losses + claimed[1].losses == 1);
  CHECK(claimed[0].lease.id == other || claimed[1].lease.id == other);
  co_await queue.let_all_be_due();
  const auto more = co_await queue.claim_by("second");
  CHECK(more.empty());
  co_await queue.let_all_be_due();
  const auto by_another = co_await queue.claim_by("third");
  CHECK_EQ(by_another.size(), 1u);
  // Its own is cleared: there is room for the last.
  for (const ClaimedJob& job : claimed) co_await queue.end(done(job.lease));
  co_await queue.let_all_be_due();
  const auto last = co_await queue.claim_by("second");
  CHECK_EQ(last.size(), 1u);
  CHECK_EQ(last[0].losses, 1);
}

// J14, J13: many suspects at the head of the line hold up nothing behind them.
ASYNC_TEST(suspects_leave_their_room_to_others) {
  Runners queue(reactor);
  co_await queue.declare();
  co_await queue.jobs.enqueue(queue.many(50, "suspect@example.com"));
  const auto claimed = co_await queue.claim_by("first", 50);
  CHECK_EQ(claimed.size(), 50u);
  co_await queue.die(claimed);
  co_await queue.let_all_be_due();
  co_await queue.jobs.enqueue(queue.many(5, "b@example.com"));
  const auto next = co_await queue.claim_by("second", 4);
  CHECK_EQ(next.size(), 4u);
  CHECK_EQ(std::ranges::count(next, 1, &ClaimedJob::losses), 1);
}

// J14: and fails for good after its own attempts (J5).
ASYNC_TEST(a_poison_job_costs_another_one_attempt_at_most) {
  Runners queue(reactor);
  co_await queue.declare();
  auto jobs = queue.many(5);
  const std::string poison = jobs[2].id;
  co_await queue.jobs.enqueue(jobs);
  std::set<std::string> completed;
  for (int death = 0; completed.size() < 4;) {
    const auto claimed = co_await queue.claim_by(std::to_string(death));
    const bool dies = std::ranges::any_of(claimed, [&](const ClaimedJob& job) { return job.lease.id == poison; });
    CHECK(!claimed.empty());
    for (const ClaimedJob& job : claimed) {
      if (job.lease.id != poison) CHECK(job.attempt <= 2);
      if (!dies) {
        co_await queue.end(done(job.lease));
        completed.insert(job.lease.id);
      }
    }
    if (dies) co_await queue.die(claimed);
    if (dies) ++death;
    co_await queue.let_all_be_due();
  }
  for (int i = 0; i < 3; ++i) {
    const auto claimed = co_await queue.claim_by("last" + std::to_string(i));
    co_await queue.die(claimed);
    co_await queue.let_all_be_due();
  }
  const auto view = co_await queue.jobs.get(poison);
  CHECK_EQ(view->status, JobStatus::failed);
  CHECK_EQ(Json::parse(view->attempt_errors)->size(), 3u);
}

// J14, J3: those that died with a suspect have their attempt back; their runner, should it live, has lost them.
ASYNC_TEST(who_dies_with_a_suspect_is_not_to_blame) {
  Runners queue(reactor);
  co_await queue.declare();
  const std::string suspect = co_await queue.add();
  auto claimed = co_await queue.claim_by("first");
  co_await queue.die(claimed);
  co_await queue.let_all_be_due();
  const std::string innocent = co_await queue.add();
  claimed = co_await queue.claim_by("second");
  CHECK_EQ(claimed.size(), 2u);
  co_await queue.die(claimed);
  std::string state = co_await queue.state(innocent);
  CHECK_EQ(state, "queued attempt 0 losses 0");
  state = co_await queue.state(suspect);
  CHECK_EQ(state, "queued attempt 2 losses 2");
  const auto view = co_await queue.jobs.get(innocent);
  CHECK_EQ(view->attempt_errors, "[]");
  for (const ClaimedJob& job : claimed) {
    const auto change = co_await queue.end(done(job.lease));
    CHECK(!change);
  }
}

// J14: being released proves nothing, ending does.
ASYNC_TEST(an_attempt_that_ends_clears_a_suspect) {
  Runners queue(reactor);
  co_await queue.declare();
  NewJob job = queue.job();
  job.max_attempts = 10;
  co_await queue.add(job);
  const auto first = co_await queue.claim_by("first");
  co_await queue.die(first);
  co_await queue.let_all_be_due();
  for (const auto& [outcome, losses] :
       {std::pair(JobOutcome::released, 1), {JobOutcome::retry, 1}, {JobOutcome::retry, 0}}) {
    const auto claimed = co_await queue.claim_by("second");
    CHECK_EQ(claimed.size(), 1u);
    CHECK_EQ(claimed[0].losses, losses);
    co_await queue.end(ending(claimed[0].lease, outcome));
    co_await queue.let_all_be_due();
  }
}

// J14: in however many batches a dead runner's jobs are reaped.
ASYNC_TEST(small_batches_judge_alike) {
  Runners queue(reactor);
  co_await queue.declare();
  const std::string suspect = co_await queue.add();
  auto claimed = co_await queue.claim_by("first");
  co_await queue.die(claimed);
  co_await queue.let_all_be_due();
  co_await queue.jobs.enqueue(queue.many(4));
  claimed = co_await queue.claim_by("second");
  CHECK_EQ(claimed.size(), 5u);
  for (const ClaimedJob& job : claimed) co_await queue.let_time_pass(job.lease.id);
  for (std::size_t ours = 0; ours < 5;) {
    const auto reaped = co_await queue.jobs.reap(1);
    CHECK_EQ(reaped.size(), 1u);
    ours += reaped[0].kind == queue.kind;
  }
  for (const ClaimedJob& job : claimed) {
    const std::string state = co_await queue.state(job.lease.id);
    CHECK_EQ(state, job.lease.id == suspect ? "queued attempt 2 losses 2" : "queued attempt 0 losses 0");
  }
}

// J14: leases of one runner do not run out in the same moment. In one transaction, where time stands still.
ASYNC_TEST(a_runner_is_judged_when_all_its_leases_have_run_out) {
  Runners queue(reactor);
  co_await queue.declare();
  const std::string suspect = co_await queue.add();
  auto claimed = co_await queue.claim_by("first");
  co_await queue.die(claimed);
  co_await queue.let_all_be_due();
  const std::string innocent = co_await queue.add();
  claimed = co_await queue.claim_by("second");
  CHECK_EQ(claimed.size(), 2u);
  const std::string late = "update live_jobs set lease_until = now() - interval '1 s' where id = $1";
  Transaction keeper = co_await queue.db.begin();
  co_await keeper.query(late, {suspect});
  co_await keeper.query(jobs_sql::kReap, {1000, kLongLease.count(), "internal"});
  std::string status;
  const std::string of_both =
      "select string_agg(status || ' ' || losses, ', ' order by losses) from live_jobs where type = $1";
  Rows rows = co_await keeper.query(of_both, {queue.kind});
  CHECK_EQ(rows[0].text(0), "processing 0, processing 1");
  co_await keeper.query(late, {innocent});
  co_await keeper.query(jobs_sql::kReap, {1000, kLongLease.count(), "internal"});
  rows = co_await keeper.query(of_both, {queue.kind});
  CHECK_EQ(rows[0].text(0), "queued 0, queued 2");
  co_await keeper.commit();
}
