// The queue against real PostgreSQL, through PgBouncer: leases, outcomes, cancelling, faults. "J3" and the like are of
// the list at the head of core/jobs/jobs.cc.
#include <cmath>

#include "core/jobs/jobs_support.h"
#include "wire/json.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

Async<void> check_late_writes(Queue& queue, JobLease late, JobStatus expected) {
  const auto before = co_await queue.jobs.get(late.id);
  const auto beats = co_await queue.jobs.heartbeat({late});
  CHECK(beats[0] == LeaseState::lost);
  const auto told = co_await queue.jobs.progress(late, 99, "late");
  CHECK(!told);
  for (const JobOutcome outcome :
       {JobOutcome::done, JobOutcome::retry, JobOutcome::cancelled, JobOutcome::failed, JobOutcome::released}) {
    const auto change = co_await queue.end(ending(late, outcome));
    CHECK(!change);
  }
  const auto after = co_await queue.jobs.get(late.id);
  CHECK_EQ(after->status, expected);
  CHECK_EQ(after->event_number, before->event_number);
}

}  // namespace

// ---- Leases ------------------------------------------------------------------------------------------------------

// J3, J4
ASYNC_TEST(a_late_runner_changes_no_row) {
  Queue slow(reactor);
  co_await slow.declare();
  const std::string id = co_await slow.add();
  const JobLease late = co_await slow.take();
  co_await slow.let_time_pass(id);
  co_await slow.reap_until_not_processing(id);
  std::string state = co_await slow.status(id);
  CHECK_EQ(state, "queued");
  co_await slow.let_time_pass(id);
  Queue other(reactor);
  const auto claimed = co_await other.jobs.claim({.capacity = {{slow.kind, 1}}, .batch = 1, .runner = "other"});
  CHECK_EQ(claimed.size(), 1u);
  CHECK(claimed[0].lease.token != late.token);
  CHECK_EQ(claimed[0].attempt, 2);

  co_await check_late_writes(slow, late, JobStatus::processing);
  JobEnding ending = done(claimed[0].lease);
  ending.result = R"({"by": "other"})";
  co_await other.end(ending);
  co_await check_late_writes(slow, late, JobStatus::completed);
  const auto view = co_await slow.jobs.get(id);
  CHECK_EQ(*view->result, R"({"by": "other"})");
}

// J4: nobody has taken it yet, so it is its runner's still.
ASYNC_TEST(a_lease_that_ran_out_is_its_holders_until_it_is_reaped) {
  Queue queue(reactor);
  co_await queue.declare();
  const std::string id = co_await queue.add();
  const JobLease lease = co_await queue.take();
  co_await queue.let_time_pass(id);
  const auto beats = co_await queue.jobs.heartbeat({lease});
  CHECK(beats[0] == LeaseState::held);
  co_await queue.jobs.reap(1000);
  const auto change = co_await queue.end(done(lease));
  CHECK_EQ(change->status, JobStatus::completed);
}

// J4: and not the one that they do not name.
ASYNC_TEST(heartbeats_keep_a_job) {
  Queue queue(reactor);
  co_await queue.declare();
  co_await queue.jobs.enqueue(queue.many(2));
  const auto claimed = co_await queue.claim(2);
  const JobLease kept = claimed[0].lease, left = claimed[1].lease;
  for (int i = 0; i < 3; ++i) {
    co_await queue.let_time_pass(kept.id);
    const auto beats = co_await queue.jobs.heartbeat({kept});
    CHECK(beats[0] == LeaseState::held);
    co_await queue.jobs.reap(1000);
  }
  co_await queue.let_time_pass(left.id);
  co_await queue.reap_until_not_processing(left.id);
  const std::vector<JobLease> both{left, kept};
  const auto beats = co_await queue.jobs.heartbeat(both);
  CHECK(beats[0] == LeaseState::lost && beats[1] == LeaseState::held);
}

// J13: heartbeats neither wait for a job that is being ended (this one for ever) nor call it lost.
ASYNC_TEST(a_heartbeat_waits_for_nobody) {
  Queue queue(reactor);
  co_await queue.declare();
  co_await queue.jobs.enqueue(queue.many(2));
  const auto claimed = co_await queue.claim(2);
  Transaction busy = co_await queue.db.begin();
  co_await busy.query("select from live_jobs where id = $1 for update", {claimed[0].lease.id});
  const std::vector<JobLease> leases{claimed[0].lease, claimed[1].lease};
  const auto beats = co_await queue.jobs.heartbeat(leases);
  CHECK(beats[0] == LeaseState::held && beats[1] == LeaseState::held);
}

// J5, J13: a job that kills whoever runs it fails for good after its attempts, and the others go on.
ASYNC_TEST(a_poison_job_fails_after_its_attempts_and_blocks_nobody) {
  Queue queue(reactor);
  co_await queue.declare();
  const std::string poison = co_await queue.add();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const std::string well = co_await queue.add(queue.job("b@example.com"));
    const auto claimed = co_await queue.claim(10);
    CHECK_EQ(claimed.size(), 2u);
    for (const ClaimedJob& job : claimed) {
      if (job.lease.id == well) co_await queue.end(done(job.lease));
      if (job.lease.id == poison) CHECK_EQ(job.attempt, attempt);
    }
    co_await queue.let_time_pass(poison);
    co_await queue.reap_until_not_processing(poison);
    const std::string state = co_await queue.status(well);
    CHECK_EQ(state, "completed");
    const auto early = co_await queue.claim(10);  // a second's backoff at least
    CHECK(early.empty());
    co_await queue.let_time_pass(poison);
  }
  const auto view = co_await queue.jobs.get(poison);
  CHECK_EQ(view->status, JobStatus::failed);
  CHECK_EQ(view->error_message, "Its process died.");
  const auto errors = Json::parse(view->attempt_errors);
  CHECK_EQ(errors->size(), 3u);
  CHECK_EQ(*errors->at(2)["attempt"].integer(), 3);
  const auto none = co_await queue.claim(10);
  CHECK(none.empty());
}

// J13: late ones are found among any number that are not, however small the batch.
ASYNC_TEST(a_reaper_is_not_held_up_by_leases_that_hold) {
  Queue queue(reactor);
  co_await queue.declare();
  co_await queue.jobs.enqueue(queue.many(300));
  const auto claimed = co_await queue.claim(300);
  const std::string late = claimed[299].lease.id;
  co_await queue.let_time_pass(late);
  for (const auto deadline = Clock::now() + 5s;;) {  // other tests may leave late ones as well
    const auto reaped = co_await queue.jobs.reap(1);
    CHECK(!reaped.empty() && Clock::now() < deadline);
    if (reaped[0].id == late) break;
  }
  std::vector<JobLease> rest;
  for (const ClaimedJob& job : claimed) {
    if (job.lease.id != late) rest.push_back(job.lease);
  }
  const auto beats = co_await queue.jobs.heartbeat(rest);
  CHECK_EQ(std::ranges::count(beats, LeaseState::held), 299);
}

Async<void> claim_in_vain(Jobs& runner, ClaimRequest request, std::shared_ptr<std::optional<FailureKind>> failed) {
  *failed = co_await failure_of(runner.claim(std::move(request)));
}

// J3: not for want of its answer: its connection was lost meanwhile, say, and PostgreSQL had taken them.
ASYNC_TEST(a_claim_whose_answer_was_lost_is_found_again) {
  Queue queue(reactor);
  co_await queue.declare();
  const std::string id = co_await queue.add();
  std::optional<Database> db(std::in_place, reactor, direct(1));
  Jobs runner(*db, kLongLease);
  const ClaimRequest request{.capacity = {{queue.kind, 1}}, .batch = 1, .runner = queue.kind};
  Transaction busy = co_await queue.db.begin();
  const Rows holder =
      co_await busy.query("select pg_backend_pid() from job_kinds where kind = $1 for update", {queue.kind});
  auto failed = std::make_shared<std::optional<FailureKind>>();
  reactor.spawn(claim_in_vain(runner, request, failed));
  for (bool waits = false; !waits; co_await sleep_for(1ms)) {
    const Rows rows = co_await queue.db.query(
        "select exists (select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))", {holder[0].integer(0)});
    waits = rows[0].boolean(0);
  }
  db.emplace(reactor, direct(1));
  UNTIL(failed->has_value());
  CHECK(*failed == FailureKind::unavailable);
  co_await busy.commit();
  std::string state;
  for (const auto deadline = Clock::now() + 5s; state != "processing"; state = co_await queue.status(id)) {
    CHECK(Clock::now() < deadline);
    co_await sleep_for(5ms);
  }
  const auto claimed = co_await runner.claim(request);
  CHECK_EQ(claimed.size(), 1u);
  CHECK_EQ(claimed[0].lease.id, id);
  const auto none = co_await runner.claim(request);
  CHECK(none.empty());
  const auto change = co_await queue.end(done(claimed[0].lease));
  CHECK_EQ(change->status, JobStatus::completed);
}

// ---- Outcomes ----------------------------------------------------------------------------------------------------

// J5
ASYNC_TEST(a_retry_waits_and_its_attempts_run_out) {
  Queue queue(reactor);
  co_await queue.declare();
  NewJob job = queue.job();
  job.max_attempts = 2;
  co_await queue.add(job);
  JobLease lease = co_await queue.take();
  auto change = co_await queue.end(ending(lease, JobOutcome::retry));
  CHECK_EQ(change->status, JobStatus::queued);
  const Rows wait = co_await queue.db.query(
      "select extract(epoch from run_at - now()) from live_jobs where id = $1 and turn is null", {job.id});
  CHECK(wait[0].real(0) > 0.5 && wait[0].real(0) <= 1.5);  // 1 to 1.5 s when it was ended
  co_await queue.let_time_pass(job.id);
  lease = co_await queue.take();
  change = co_await queue.end(ending(lease, JobOutcome::retry));
  CHECK_EQ(change->status, JobStatus::failed);
  const auto view = co_await queue.jobs.get(job.id);
  CHECK_EQ(view->error_code, "provider_error");
  CHECK_EQ(view->error_message, "no luck");
  CHECK_EQ(Json::parse(view->attempt_errors)->size(), 2u);
  CHECK(view->completed_at.has_value());
}

ASYNC_TEST(backoffs_grow_unless_the_handler_says_how_long) {
  Queue queue(reactor);
  co_await queue.declare();
  NewJob job = queue.job();
  job.max_attempts = 100;
  co_await queue.add(job);
  for (int attempt = 1; attempt <= 60; ++attempt) {
    const JobLease lease = co_await queue.take();
    JobEnding again = ending(lease, JobOutcome::retry);
    if (attempt == 7) again.wait = 90s;
    co_await queue.end(again);
    const Rows rows =
        co_await queue.db.query("select extract(epoch from run_at - now()) from live_jobs where id = $1", {job.id});
    const double seconds = rows[0].real(0);
    const double least = attempt == 7 ? 90 : std::min(std::pow(2, attempt - 1), 600.0);
    CHECK(seconds > least - 0.5 && seconds <= least * 1.5);
    co_await queue.let_time_pass(job.id);
  }
  const auto view = co_await queue.jobs.get(job.id);
  const auto errors = Json::parse(view->attempt_errors);
  CHECK_EQ(errors->size(), 20u);
  CHECK_EQ(*errors->at(19)["attempt"].integer(), 60);
}

// J12
ASYNC_TEST(a_job_that_waits_again_says_why_until_it_is_claimed) {
  Queue queue(reactor);
  co_await queue.declare();
  const std::string id = co_await queue.add();
  for (const JobOutcome outcome : {JobOutcome::released, JobOutcome::retry}) {
    const JobLease lease = co_await queue.take();
    const auto change = co_await queue.end(ending(lease, outcome));
    auto view = co_await queue.jobs.get(id);
    CHECK_EQ(view->status, JobStatus::queued);
    CHECK_EQ(view->progress_message, "no luck");
    CHECK_EQ(view->event_number, change->event_number);
    co_await queue.let_time_pass(id);
  }
  co_await queue.take();
  const auto view = co_await queue.jobs.get(id);
  CHECK_EQ(view->progress_message, "");
}

// J5
ASYNC_TEST(a_released_job_has_its_attempt_back) {
  Queue queue(reactor);
  co_await queue.declare();
  NewJob job = queue.job();
  job.max_attempts = 1;
  co_await queue.add(job);
  for (int i = 0; i < 5; ++i) {
    const auto claimed = co_await queue.claim();
    CHECK_EQ(claimed.size(), 1u);
    CHECK_EQ(claimed[0].attempt, 1);
    const auto change = co_await queue.end(ending(claimed[0].lease, JobOutcome::released));
    CHECK_EQ(change->status, JobStatus::queued);
  }
  const JobLease lease = co_await queue.take();
  JobEnding later = ending(lease, JobOutcome::released);
  later.wait = 90s;
  co_await queue.end(later);
  const Rows rows =
      co_await queue.db.query("select run_at - now() > interval '80 s' from live_jobs where id = $1", {job.id});
  CHECK(rows[0].boolean(0));
}

ASYNC_TEST(a_handler_may_cancel_or_fail_for_good) {
  Queue queue(reactor);
  co_await queue.declare();
  co_await queue.jobs.enqueue(queue.many(2));
  const auto claimed = co_await queue.claim(2);
  const auto changes = co_await queue.jobs.finish(
      {ending(claimed[0].lease, JobOutcome::cancelled), ending(claimed[1].lease, JobOutcome::failed)});
  CHECK_EQ(changes[0]->status, JobStatus::cancelled);
  CHECK_EQ(changes[1]->status, JobStatus::failed);
  const auto view = co_await queue.jobs.get(claimed[1].lease.id);
  CHECK_EQ(view->attempt, 1);
  CHECK(!view->result);
}

// J3: its answer was lost on the way, say.
ASYNC_TEST(a_finish_may_be_repeated) {
  Queue queue(reactor);
  co_await queue.declare();
  co_await queue.jobs.enqueue(queue.many(3));
  const auto claimed = co_await queue.claim(3);
  const std::vector<JobEnding> endings{done(claimed[0].lease), ending(claimed[1].lease, JobOutcome::retry),
                                       ending(claimed[2].lease, JobOutcome::failed)};
  const auto first = co_await queue.jobs.finish(endings);
  const auto second = co_await queue.jobs.finish(endings);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK_EQ(second[i]->status, first[i]->status);
    CHECK_EQ(second[i]->event_number, first[i]->event_number);
  }
}

// J13: in one batch with others.
ASYNC_TEST(a_result_that_cannot_be_stored_fails_its_job_alone) {
  Queue queue(reactor);
  co_await queue.declare();
  co_await queue.jobs.enqueue(queue.many(3));
  const auto claimed = co_await queue.claim(3);
  std::vector<JobEnding> endings;
  for (const ClaimedJob& job : claimed) endings.push_back(done(job.lease));
  endings[1].result = R"({"name": "\u0000"})";
  endings[2] = ending(claimed[2].lease, JobOutcome::failed);
  endings[2].error_message = std::string("a\0b\xff", 4);
  const auto changes = co_await queue.jobs.finish(endings);
  CHECK_EQ(changes[0]->status, JobStatus::completed);
  CHECK_EQ(changes[1]->status, JobStatus::failed);
  const auto view = co_await queue.jobs.get(claimed[2].lease.id);
  CHECK_EQ(view->error_message, "ab\uFFFD");
}

// ---- Cancelling --------------------------------------------------------------------------------------------------

// J6, J7
ASYNC_TEST(a_queued_job_is_cancelled_at_once) {
  Queue queue(reactor);
  co_await queue.declare();
  NewJob delayed = queue.job();
  delayed.delay = 1h;
  for (const NewJob& job : {queue.job(), delayed}) {
    co_await queue.add(job);
    const auto cancelled = co_await queue.jobs.cancel(job.id);
    CHECK(cancelled.what == Cancelled::at_once);
    CHECK_EQ(cancelled.change->status, JobStatus::cancelled);
    const auto again = co_await queue.jobs.cancel(job.id);
    CHECK(again.what == Cancelled::too_late && !again.change);
  }
  const auto claimed = co_await queue.claim(10);
  CHECK(claimed.empty());
  co_await check_places(queue);
}

// J6: whatever its runner says then, or if it says nothing.
ASYNC_TEST(a_cancelled_job_never_becomes_anything_else) {
  Queue queue(reactor);
  co_await queue.declare();
  for (const JobOutcome outcome :
       {JobOutcome::done, JobOutcome::retry, JobOutcome::cancelled, JobOutcome::failed, JobOutcome::released}) {
    const std::string id = co_await queue.add();
    const JobLease lease = co_await queue.take();
    const auto cancelled = co_await queue.jobs.cancel(id);
    CHECK(cancelled.what == Cancelled::requested);
    const auto again = co_await queue.jobs.cancel(id);
    CHECK(again.what == Cancelled::requested);
    CHECK_EQ(again.change->event_number, cancelled.change->event_number);
    const auto beats = co_await queue.jobs.heartbeat({lease});
    CHECK(beats[0] == LeaseState::cancel_requested);
    JobEnding ended = ending(lease, outcome);
    ended.result = "{}";
    const auto change = co_await queue.end(ended);
    CHECK_EQ(change->status, JobStatus::cancelled);
    const auto view = co_await queue.jobs.get(id);
    CHECK_EQ(view->status, JobStatus::cancelled);
    CHECK(!view->result && view->error_message.empty());
  }
  const std::string id = co_await queue.add();
  co_await queue.take();
  co_await queue.jobs.cancel(id);
  co_await queue.let_time_pass(id);
  co_await queue.reap_until_not_processing(id);
  const std::string state = co_await queue.status(id);
  CHECK_EQ(state, "cancelled");
}

namespace {

Async<void> finish_into(Queue& queue, JobEnding ending, std::string& status) {
  const auto change = co_await queue.end(std::move(ending));
  status = name_of(change->status);
}

Async<void> cancel_into(Queue& queue, std::string id, Cancelled& what) {
  const CancelResult result = co_await queue.jobs.cancel(std::move(id));
  what = result.what;
}

}  // namespace

// J6: in whichever order PostgreSQL takes them.
ASYNC_TEST(a_finish_that_races_with_a_cancel_agrees_with_it) {
  Queue queue(reactor);
  co_await queue.declare();
  for (int round = 0; round < 100; ++round) {
    const std::string id = co_await queue.add();
    const JobLease lease = co_await queue.take();
    std::string status;
    Cancelled what{};
    co_await all_at_once(reactor, 2, [&](int i) {
      return (i + round) % 2 ? finish_into(queue, done(lease), status) : cancel_into(queue, id, what);
    });
    CHECK(what == Cancelled::requested || what == Cancelled::too_late);
    CHECK_EQ(status, what == Cancelled::requested ? "cancelled" : "completed");
  }
}

// J6: a cancel that is committed while a finish waits for the row is seen by it.
ASYNC_TEST(a_finish_sees_the_cancel_it_waited_for) {
  Queue queue(reactor);
  co_await queue.declare();
  const std::string id = co_await queue.add();
  const JobLease lease = co_await queue.take();
  Transaction cancelling = co_await queue.db.begin();
  co_await cancelling.query("update live_jobs set cancel_requested = true where id = $1", {id});
  std::string status;
  reactor.spawn(finish_into(queue, done(lease), status));
  co_await until_one_waits_for_a_lock(queue.db, "finish_jobs");
  co_await cancelling.commit();
  UNTIL(!status.empty());
  CHECK_EQ(status, "cancelled");
}

// ---- Faults ------------------------------------------------------------------------------------------------------

namespace {

// Everything fails now and then; whoever does not know what became of a write does it again.
Async<void> run_in_spite_of_faults(Queue& queue, Jobs& jobs, std::string name, std::set<std::string>& completed,
                                   std::size_t expected) {
  std::vector<JobEnding> endings;
  while (completed.size() < expected) {
    bool failed = false;
    try {
      if (endings.empty()) {
        const auto claimed = co_await jobs.claim({.capacity = {{queue.kind, 20}}, .batch = 20, .runner = name});
        for (const ClaimedJob& job : claimed) endings.push_back(done(job.lease));
        if (claimed.empty()) co_await jobs.reap(100);
      }
      const auto changes = co_await jobs.finish(endings);
      for (const auto& change : changes) {
        if (change) CHECK(completed.insert(change->id).second);
      }
      endings.clear();
    } catch (const Failure& failure) {
      if (failure.kind() != FailureKind::unavailable) throw;
      failed = true;
    }
    co_await sleep_for(failed ? 10ms : 1ms);
  }
}

Async<void> terminate_backends(Database& admin, const std::set<std::string>& completed, std::size_t expected) {
  while (completed.size() < expected) {
    co_await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and state = 'active' "
        "and query ~ 'claim_jobs|finish_jobs'");
    const std::size_t before = completed.size();
    do co_await sleep_for(60ms);
    while (completed.size() == before);  // on a slow machine a new backend may need longer than that to get anywhere
  }
}

}  // namespace

// J2, J3, J7: claims and finishes are cut off at any moment, and still every job ends once.
ASYNC_TEST(backends_terminated_mid_claim_lose_no_job_and_run_none_twice) {
  Queue queue(reactor);
  DatabaseOptions options = direct(2);
  Database admin(reactor, direct(1));
  Fleet fleet(reactor, 4, options);
  co_await queue.declare();
  auto batch = queue.many(600);
  for (NewJob& job : batch) job.max_attempts = 100;
  co_await queue.jobs.enqueue(batch);
  std::vector<std::unique_ptr<Jobs>> runners;
  for (auto& database : fleet.databases) runners.push_back(std::make_unique<Jobs>(*database, 200ms));
  std::set<std::string> completed;
  co_await all_at_once(reactor, 5, [&](int i) {
    return i == 4 ? terminate_backends(admin, completed, 500)
                  : run_in_spite_of_faults(queue, *runners[static_cast<std::size_t>(i)],
                                           fmt::format("{}.{}", queue.kind, i), completed, 500);
  });
  co_await check_places(queue);
  const auto twice = co_await count_of(
      queue.db, "select count(*) from only jobs where type = $1 and status <> 'completed'", {queue.kind});
  CHECK_EQ(twice, 0);
}

// J4: the clock is set back by an hour, and the runner is dead.
ASYNC_TEST(a_lease_from_a_clock_that_was_set_back_ends_within_its_time) {
  Queue queue(reactor, 500ms);
  co_await queue.declare();
  const std::string id = co_await queue.add();
  co_await queue.take();
  co_await queue.db.query(
      "update live_jobs set lease_until = lease_until + interval '1 hour', started_at = started_at + interval '1 hour' "
      "where id = $1",
      {id});
  co_await queue.reap_until_not_processing(id);
}
