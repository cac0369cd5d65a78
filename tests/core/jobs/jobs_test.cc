// The queue against real PostgreSQL, through PgBouncer: enqueueing and claiming. jobs_running_test.cc,
// jobs_keeping_test.cc and jobs_snapshot_test.cc have the rest. "J3" and the like are of the list at the head of
// core/jobs/jobs.cc.
#include "core/jobs/jobs.h"

#include "core/jobs/jobs_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

Async<void> enqueue_into(Jobs& jobs, std::vector<NewJob> given, std::vector<EnqueueResult>& into) {
  const auto results = co_await jobs.enqueue(std::move(given));
  into.insert(into.end(), results.begin(), results.end());
}

Async<void> roll_back_when_waited_for(Database& watch, std::unique_ptr<Transaction> transaction) {
  co_await until_one_waits_for_a_lock(watch, "queue_jobs");
  transaction.reset();
}

}  // namespace

// ---- Enqueueing --------------------------------------------------------------------------------------------------

ASYNC_TEST(a_job_may_be_tried_as_often_as_its_kind_declares_unless_it_says) {
  Queue queue(reactor);
  co_await queue.jobs.declare({{.name = queue.kind, .attempts = 5}});
  const std::string silent = co_await queue.add();
  NewJob job = queue.job();
  job.max_attempts = 2;
  const std::string saying = co_await queue.add(job);
  const auto by_kind = co_await queue.jobs.get(silent);
  const auto by_itself = co_await queue.jobs.get(saying);
  CHECK_EQ(by_kind->max_attempts, 5);
  CHECK_EQ(by_itself->max_attempts, 2);
}

ASYNC_TEST(a_fact_is_a_column_where_its_kind_declares_it) {
  Queue queue(reactor);
  const Json facts = Json::object({{"layer_count", 3}, {"frame_name", "Login"}, {"pages", 7}});
  const std::string says =
      "select coalesce(layer_count, 0) || ' ' || coalesce(frame_name, '') || ' ' || coalesce(facts::text, '') "
      "from jobs where id = $1";
  NewJob job = queue.job();
  job.facts = facts;
  const std::string before = co_await queue.add(job);  // its kind is not declared yet
  std::string found = co_await queue.db.one<std::string>(says, before);
  CHECK_EQ(found, R"(3 Login {"pages": 7})");
  co_await queue.jobs.declare({{.name = queue.kind, .columns = {"layer_count"}}});
  job.id = uuid_v4();
  const std::string some = co_await queue.add(job);
  found = co_await queue.db.one<std::string>(says, some);
  CHECK_EQ(found, R"(3  {"pages": 7, "frame_name": "Login"})");
  co_await queue.jobs.declare({{.name = queue.kind}});
  job.id = uuid_v4();
  const std::string none = co_await queue.add(job);
  found = co_await queue.db.one<std::string>(says, none);
  CHECK_EQ(found, R"(0  {"pages": 7, "frame_name": "Login", "layer_count": 3})");
}

// J1, J2, J12, and all that a client is told.
ASYNC_TEST(a_job_goes_from_queued_to_completed) {
  Queue queue(reactor);
  co_await queue.jobs.declare({{.name = queue.kind, .columns = {"frame_name", "layer_count", "variant_count"}}});
  NewJob job = queue.job();
  job.payload = R"({"layers": 2})";
  job.user_id = "u1";
  job.owner = "o1";
  job.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  job.has_body = true;
  job.ip_address = "10.1.2.3";
  job.facts = Json::object({{"frame_name", "Login"}, {"layer_count", 2}, {"pages", 3}});
  const std::string id = co_await queue.add(job);
  auto view = co_await queue.jobs.get(id);
  CHECK_EQ(view->status, JobStatus::queued);
  CHECK_EQ(view->attempt, 0);
  CHECK_EQ(view->max_attempts, 3);
  CHECK_EQ(view->event_number, 1);
  CHECK(!view->started_at && !view->result);
  CHECK(view->created_at.size() == 24 && view->created_at.ends_with('Z'));

  const auto claimed = co_await queue.claim(10);
  CHECK_EQ(claimed.size(), 1u);
  CHECK_EQ(claimed[0].lease.id, id);
  CHECK_EQ(claimed[0].payload, R"({"layers": 2})");
  CHECK_EQ(claimed[0].attempt, 1);
  CHECK_EQ(*claimed[0].user_id, "u1");
  CHECK_EQ(claimed[0].trace_id, job.trace_id);
  CHECK(claimed[0].has_body && claimed[0].losses == 0);
  view = co_await queue.jobs.get(id);
  CHECK_EQ(view->status, JobStatus::processing);
  CHECK_EQ(view->event_number, 2);

  const auto told = co_await queue.jobs.progress(claimed[0].lease, 40, "halfway, nearly");
  CHECK_EQ(told->event_number, 3);
  view = co_await queue.jobs.get(id);
  CHECK_EQ(view->progress, 40);
  CHECK_EQ(view->progress_message, "halfway, nearly");

  JobEnding ending = done(claimed[0].lease);
  ending.result = R"({"renamed": 2})";
  ending.result_apart = true;
  ending.facts = Json::object({{"variant_count", 5}, {"paper", "A4"}});
  const auto change = co_await queue.end(ending);
  CHECK_EQ(change->status, JobStatus::completed);
  CHECK_EQ(change->kind, queue.kind);
  CHECK_EQ(change->event_number, 4);
  view = co_await queue.jobs.get(id);
  CHECK_EQ(view->status, JobStatus::completed);
  CHECK_EQ(view->progress, 100);
  CHECK_EQ(*view->result, R"({"renamed": 2})");
  CHECK(view->result_apart);
  CHECK(*view->user_id == "u1" && *view->owner == "o1");
  CHECK(view->started_at && view->completed_at && *view->duration_ms >= 0);
  CHECK_EQ(view->event_number, 4);
  const Rows row = co_await queue.db.query(
      "select payload->>'layers' = '2' and user_id = 'u1' and ip_address = '10.1.2.3' and frame_name = 'Login' and "
      "layer_count = 2 and variant_count = 5 and facts = '{\"pages\": 3, \"paper\": \"A4\"}' and runner = $2 from only "
      "jobs where id = $1",
      {id, queue.kind});
  CHECK(row[0].boolean(0));
  co_await check_places(queue);
}

ASYNC_TEST(a_job_that_is_not_there_is_none) {
  Queue queue(reactor);
  const auto view = co_await queue.jobs.get(uuid_v4());
  CHECK(!view);
  const auto cancelled = co_await queue.jobs.cancel(uuid_v4());
  CHECK(cancelled.what == Cancelled::unknown);
}

// J2: a module's rows and its job are there together, or neither is.
ASYNC_TEST(a_job_enqueued_in_a_transaction_shares_its_fate) {
  Queue queue(reactor);
  co_await queue.declare();
  std::string lost;
  {
    Transaction transaction = co_await queue.db.begin();
    const auto results = co_await Jobs::enqueue(transaction, queue.many(1));
    lost = results[0].id;
  }
  Transaction transaction = co_await queue.db.begin();
  const auto results = co_await Jobs::enqueue(transaction, queue.many(1));
  const auto early = co_await queue.claim();
  CHECK(early.empty());
  co_await transaction.commit();
  const JobLease lease = co_await queue.take();
  CHECK_EQ(lease.id, results[0].id);
  const std::string status = co_await queue.status(lost);
  CHECK_EQ(status, "none");
}

// J2: one job PostgreSQL refuses, and none is there.
ASYNC_TEST(a_batch_is_enqueued_whole_or_not_at_all) {
  Queue queue(reactor);
  co_await queue.declare();
  auto batch = queue.many(3);
  batch[1].payload = "{";
  std::string state;
  try {
    co_await queue.jobs.enqueue(batch);
  } catch (const SqlError& error) {
    state = error.sqlstate();
  }
  CHECK_EQ(state, "22P02");
  const auto claimed = co_await queue.claim(10);
  CHECK(claimed.empty());
}

// J2: who does not know whether it was enqueued may do it again, whatever has become of it.
ASYNC_TEST(a_job_may_be_enqueued_again_under_its_id) {
  Queue queue(reactor);
  co_await queue.declare();
  const NewJob job = queue.job();
  co_await queue.add(job);
  auto again = co_await queue.jobs.enqueue({job, queue.job()});
  CHECK(again[0].what == Enqueued::existing && again[1].what == Enqueued::created);
  CHECK_EQ(again[0].id, job.id);
  const auto claimed = co_await queue.claim(10);
  CHECK_EQ(claimed.size(), 2u);
  for (const ClaimedJob& one : claimed) co_await queue.end(done(one.lease));
  again = co_await queue.jobs.enqueue({job});
  CHECK(again[0].what == Enqueued::existing);
  co_await check_places(queue);
}

// J11
ASYNC_TEST(an_idempotency_key_makes_one_job) {
  Queue queue(reactor);
  co_await queue.declare();
  const std::string key = random_hex(8);
  auto results = co_await queue.jobs.enqueue({keyed(queue, key, "d1")});
  const std::string id = results[0].id;
  CHECK(results[0].what == Enqueued::created);
  results = co_await queue.jobs.enqueue({keyed(queue, key, "d1"), queue.job(), keyed(queue, key, "d2")});
  CHECK(results[0].what == Enqueued::existing && results[0].id == id);
  CHECK(results[1].what == Enqueued::created);
  CHECK(results[2].what == Enqueued::conflict && results[2].id == id);
  NewJob elsewhere = keyed(queue, key, "d1");
  elsewhere.idempotency->scope = "user:2";
  results = co_await queue.jobs.enqueue({elsewhere});
  CHECK(results[0].what == Enqueued::created);
  const JobLease lease = co_await queue.take();
  co_await queue.end(done(lease));
  results = co_await queue.jobs.enqueue({keyed(queue, key, "d1")});
  CHECK(results[0].what == Enqueued::existing && results[0].id == id);
}

// J11: also while the first is not committed yet, and when it never is.
ASYNC_TEST(a_hundred_at_once_with_one_key_make_one_job) {
  Queue queue(reactor);
  Database other(reactor, pooled(4)), watch(reactor, pooled(1));
  Jobs others(other);
  co_await queue.declare();
  const std::string key = random_hex(8);
  std::vector<EnqueueResult> results;
  auto undone = std::make_unique<Transaction>(co_await queue.db.begin());
  co_await Jobs::enqueue(*undone, {keyed(queue, key, "d1")});
  reactor.spawn(roll_back_when_waited_for(watch, std::move(undone)));
  co_await all_at_once(reactor, 100, [&](int i) {
    return enqueue_into(i % 2 ? queue.jobs : others, {keyed(queue, key, "d1")}, results);
  });
  CHECK_EQ(results.size(), 100u);
  CHECK_EQ(std::ranges::count(results, Enqueued::created, &EnqueueResult::what), 1);
  CHECK_EQ(std::ranges::count(results, Enqueued::existing, &EnqueueResult::what), 99);
  for (const EnqueueResult& result : results) CHECK_EQ(result.id, results[0].id);
  const auto claimed = co_await queue.claim(100);
  CHECK_EQ(claimed.size(), 1u);
}

// Batches whose keys stand in opposite order do not wait for each other.
ASYNC_TEST(batches_with_the_same_keys_never_deadlock) {
  Queue queue(reactor);
  std::vector<EnqueueResult> results;
  for (int round = 0; round < 10; ++round) {
    std::vector<NewJob> forth, back;
    for (int i = 0; i < 50; ++i) forth.push_back(keyed(queue, fmt::format("{}-{}-{}", queue.kind, round, i), "d"));
    for (int i = 49; i >= 0; --i) back.push_back(keyed(queue, fmt::format("{}-{}-{}", queue.kind, round, i), "d"));
    co_await all_at_once(reactor, 2, [&](int i) { return enqueue_into(queue.jobs, i ? forth : back, results); });
  }
  CHECK_EQ(std::ranges::count(results, Enqueued::created, &EnqueueResult::what), 500);
}

// ---- Claiming ----------------------------------------------------------------------------------------------------

// J5, J8: two claims at once, and what the caller has no room for.
ASYNC_TEST(only_kinds_with_room_are_claimed) {
  Queue a(reactor), b(reactor), undeclared(reactor);
  co_await a.jobs.declare({{.name = a.kind}, {.name = b.kind}});
  co_await a.jobs.enqueue(a.many(10));
  co_await b.jobs.enqueue(b.many(10));
  co_await undeclared.jobs.enqueue(undeclared.many(1));
  const auto count = [](const std::vector<ClaimedJob>& claimed, const std::string& kind) {
    return std::ranges::count(claimed, kind, &ClaimedJob::kind);
  };
  auto claimed = co_await a.jobs.claim({.capacity = {{a.kind, 2}, {b.kind, 0}}, .batch = 10, .runner = "r"});
  CHECK_EQ(count(claimed, a.kind), 2);
  CHECK_EQ(claimed.size(), 2u);
  // Each kind has its share of a batch, and what others leave.
  claimed = co_await a.jobs.claim({.capacity = {{a.kind, 100}, {b.kind, 100}}, .batch = 6, .runner = "r"});
  CHECK_EQ(count(claimed, a.kind), 3);
  CHECK_EQ(count(claimed, b.kind), 3);
  claimed = co_await a.jobs.claim(
      {.capacity = {{a.kind, 100}, {b.kind, 1}, {undeclared.kind, 100}}, .batch = 6, .runner = "r"});
  CHECK_EQ(count(claimed, a.kind), 5);
  CHECK_EQ(count(claimed, b.kind), 1);
  claimed = co_await a.jobs.claim({.capacity = {}, .batch = 6, .runner = "r"});
  CHECK(claimed.empty());
}

ASYNC_TEST(a_higher_priority_goes_first) {
  Queue queue(reactor);
  co_await queue.declare();
  std::vector<std::string> expected(3);
  for (const JobPriority priority : {JobPriority::low, JobPriority::high, JobPriority::normal}) {
    NewJob job = queue.job();
    job.priority = priority;
    expected[static_cast<std::size_t>(priority) - 1] = job.id;
    co_await queue.add(job);
  }
  for (const std::string& id : expected) {
    const JobLease lease = co_await queue.take();
    CHECK_EQ(lease.id, id);
  }
}

ASYNC_TEST(a_users_jobs_run_in_the_order_they_were_enqueued) {
  Queue queue(reactor);
  co_await queue.declare();
  std::vector<std::string> expected;
  for (int batch = 0; batch < 3; ++batch) {
    const auto made = queue.many(3);
    for (const NewJob& job : made) expected.push_back(job.id);
    co_await queue.jobs.enqueue(made);
  }
  for (const std::string& id : expected) {
    const JobLease lease = co_await queue.take();
    CHECK_EQ(lease.id, id);
  }
}

// J13: what is not due does not stand in the way, and is not claimed early.
ASYNC_TEST(a_delayed_job_waits_until_it_is_due) {
  Queue queue(reactor);
  co_await queue.declare();
  auto delayed = queue.many(300);
  for (NewJob& job : delayed) job.delay = 1h;
  co_await queue.jobs.enqueue(delayed);
  const std::string id = co_await queue.add();
  auto claimed = co_await queue.claim(10);
  CHECK_EQ(claimed.size(), 1u);
  CHECK_EQ(claimed[0].lease.id, id);
  co_await queue.let_time_pass(delayed[7].id);
  claimed = co_await queue.claim(10);
  CHECK_EQ(claimed.size(), 1u);
  CHECK_EQ(claimed[0].lease.id, delayed[7].id);
}

// J10
ASYNC_TEST(a_users_thousand_jobs_do_not_starve_anothers_one) {
  Queue queue(reactor);
  co_await queue.declare();
  for (int i = 0; i < 4; ++i) co_await queue.jobs.enqueue(queue.many(250, "many@example.com"));
  auto claimed = co_await queue.claim(100);
  CHECK_EQ(claimed.size(), 100u);
  const std::string one = co_await queue.add(queue.job("one@example.com"));
  claimed = co_await queue.claim(2);
  CHECK(claimed[0].lease.id == one || claimed[1].lease.id == one);
  // Three with a hundred each, enqueued one after another: each gets its third.
  for (const char* user : {"x@example.com", "y@example.com", "z@example.com"}) {
    co_await queue.jobs.enqueue(queue.many(100, user));
  }
  claimed = co_await queue.claim(100);
  for (const char* user : {"x@example.com", "y@example.com", "z@example.com", "many@example.com"}) {
    CHECK_EQ(std::ranges::count(claimed, user, &ClaimedJob::user_email), 25);
  }
}

// J10: enqueued one by one too, and whoever comes back has not saved up turns.
ASYNC_TEST(who_was_idle_has_not_saved_up_turns) {
  Queue queue(reactor);
  co_await queue.declare();
  for (int i = 0; i < 20; ++i) co_await queue.add(queue.job("busy@example.com"));
  auto claimed = co_await queue.claim(10);
  for (int i = 0; i < 10; ++i) co_await queue.add(queue.job("late@example.com"));
  claimed = co_await queue.claim(10);
  CHECK_EQ(std::ranges::count(claimed, "late@example.com", &ClaimedJob::user_email), 5);
}

// J10: a token proves it.
ASYNC_TEST(who_only_says_to_be_somebody_takes_none_of_their_turns) {
  Queue queue(reactor);
  co_await queue.declare();
  auto pretended = queue.many(100);
  for (NewJob& job : pretended) job.user_id = "u1";
  co_await queue.jobs.enqueue(pretended);
  NewJob real = queue.job();
  real.user_id = real.owner = "u1";
  co_await queue.add(real);
  const auto claimed = co_await queue.claim(2);
  CHECK_EQ(std::ranges::count(claimed, real.id, [](const ClaimedJob& job) { return job.lease.id; }), 1);
}

// J3
ASYNC_TEST(five_thousand_jobs_over_eight_runners_each_run_once) {
  Queue queue(reactor);
  Fleet fleet(reactor, 8);
  co_await queue.declare();
  for (int i = 0; i < 10; ++i) co_await queue.jobs.enqueue(queue.many(500, fmt::format("u{}@example.com", i)));
  std::multiset<std::string> ran;
  co_await all_at_once(reactor, 8,
                       [&](int i) { return run_all(queue, *fleet.jobs[static_cast<std::size_t>(i)], 40, ran, 5000); });
  CHECK_EQ(ran.size(), 5000u);
  CHECK_EQ(std::set<std::string>(ran.begin(), ran.end()).size(), 5000u);
  const auto completed = co_await count_of(
      queue.db, "select count(*) from only jobs where type = $1 and status = 'completed' and attempt = 1",
      {queue.kind});
  CHECK_EQ(completed, 5000);
  co_await check_places(queue);
}

namespace {

// Claims one after another and holds each for a moment.
Async<void> hold_some(Queue& queue, Jobs& jobs, int& holding, int& most, int& ran, int expected) {
  while (ran < expected) {
    const auto claimed = co_await jobs.claim({.capacity = {{queue.kind, 4}}, .batch = 4, .runner = "r"});
    holding += static_cast<int>(claimed.size());
    most = std::max(most, holding);
    co_await sleep_for(1ms);
    std::vector<JobEnding> endings;
    for (const ClaimedJob& job : claimed) endings.push_back(done(job.lease));
    holding -= static_cast<int>(claimed.size());  // before it ends in the table: never counts one too many
    ran += static_cast<int>(claimed.size());
    if (!endings.empty()) co_await jobs.finish(endings);
  }
}

}  // namespace

// J8: claimed by eight at once, all the time.
ASYNC_TEST(a_kinds_limit_is_exact_under_eight_claimers) {
  Queue queue(reactor);
  Fleet fleet(reactor, 8);
  co_await queue.declare(5);
  co_await queue.jobs.enqueue(queue.many(400));
  int holding = 0, most = 0, ran = 0;
  co_await all_at_once(reactor, 8, [&](int i) {
    return hold_some(queue, *fleet.jobs[static_cast<std::size_t>(i)], holding, most, ran, 400);
  });
  CHECK_EQ(ran, 400);
  CHECK_EQ(most, 5);
  // Another limit holds from the next claim on; what is over it stays.
  co_await queue.jobs.enqueue(queue.many(10));
  auto claimed = co_await queue.claim(10);
  CHECK_EQ(claimed.size(), 5u);
  co_await queue.declare(3);
  auto more = co_await queue.claim(10);
  CHECK(more.empty());
  co_await queue.declare();
  more = co_await queue.claim(10);
  CHECK_EQ(more.size(), 5u);
}
