// The intake against real PostgreSQL (through PgBouncer) and both kinds of Redis.
#include "core/jobs/job_intake.h"

#include <cstdlib>

#include "core/jobs/jobs_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

RedisOptions redis_at(const char* variable) {
  const char* const path = std::getenv(variable);
  if (!path) fail(fmt::format("set {}; `make test` does", variable));
  return {.address = path, .command_timeout = 5s};
}

struct Parts {
  Parts(Reactor& reactor, DatabaseOptions database, RedisOptions payload_redis)
      : db(reactor, std::move(database)),
        jobs(db, kLongLease),
        redis(reactor, redis_at("PLUGFLEET_TEST_REDIS")),
        payload_redis(reactor, std::move(payload_redis)),
        events(reactor, redis, redis_at("PLUGFLEET_TEST_REDIS")),
        intake(reactor, jobs, payloads, events) {}

  Database db;
  Jobs jobs;
  Redis redis, payload_redis;
  BodyStore payloads{payload_redis, 60s};
  JobEvents events;
  JobIntake intake;
};

// What became of an enqueue().
struct Ended {
  std::optional<EnqueueResult> result;
  std::optional<FailureKind> failure;
};

Async<void> enqueue_into(JobIntake& intake, NewJob job, std::string body, Ended& ended) {
  try {
    ended.result = co_await intake.enqueue(std::move(job), body);
  } catch (const Failure& failure) {
    ended.failure = failure.kind();
  } catch (const Cancellation&) {
    ended.failure = FailureKind::cancelled;
  }
}

struct Intake {
  explicit Intake(Reactor& its_reactor, RedisOptions payload_redis = redis_at("PLUGFLEET_TEST_PAYLOADS"))
      : reactor(its_reactor), queue(reactor), parts(reactor, pooled(), std::move(payload_redis)) {}

  // All at once; what became of each, in order.
  Async<std::vector<Ended>> enqueue(std::vector<NewJob> jobs, std::string body = {}) {
    std::vector<Ended> ended(jobs.size());
    co_await all_at_once(reactor, static_cast<int>(jobs.size()), [&](int i) {
      const auto place = static_cast<std::size_t>(i);
      return enqueue_into(parts.intake, std::move(jobs[place]), body, ended[place]);
    });
    co_return ended;
  }
  Async<Ended> enqueue(NewJob job, std::string body = {}) {
    auto ended = co_await enqueue(std::vector<NewJob>{std::move(job)}, std::move(body));
    co_return ended.front();
  }
  Async<std::int64_t> rows() {
    return count_of(queue.db, "select count(*) from live_jobs where type = $1", {queue.kind});
  }
  // Bodies are forgotten behind the answer.
  Async<void> until_forgotten(std::string id) {
    for (const auto deadline = Clock::now() + 5s;; co_await sleep_for(2ms)) {
      const auto body = co_await parts.payloads.take_body(id);
      if (!body) co_return;
      CHECK(Clock::now() < deadline);
    }
  }

  Reactor& reactor;
  Queue queue;
  Parts parts;
};

}  // namespace

ASYNC_TEST(a_crowd_of_jobs_costs_few_transactions) {
  Intake it(reactor);
  const auto ended = co_await it.enqueue(it.queue.many(400));
  for (const Ended& one : ended) CHECK(one.result && one.result->what == Enqueued::created);
  const auto rows = co_await it.rows();
  CHECK_EQ(rows, 400);
  const auto transactions = co_await count_of(
      it.queue.db, "select count(distinct xmin::text) from live_jobs where type = $1", {it.queue.kind});
  CHECK(transactions <= 3);
  CHECK_EQ(it.parts.intake.waiting(), 0u);
}

ASYNC_TEST(a_job_is_there_when_it_is_told_so_and_its_body_too) {
  Intake it(reactor);
  const NewJob job = it.queue.job();
  const Ended ended = co_await it.enqueue(job, R"({"layers": []})");
  CHECK_EQ(ended.result->id, job.id);
  const auto view = co_await it.queue.jobs.get(job.id);
  CHECK_EQ(view->status, JobStatus::queued);
  co_await it.queue.declare();
  const auto claimed = co_await it.queue.claim();
  CHECK_EQ(claimed.size(), 1u);
  CHECK(claimed[0].has_body);
  const auto body = co_await it.parts.payloads.take_body(job.id);
  CHECK_EQ(body.value_or("none"), R"({"layers": []})");
  co_await it.parts.payloads.forget_bodies({job.id});
}

ASYNC_TEST(runners_are_told_of_the_kind_once_for_a_crowd) {
  Intake it(reactor);
  int told = 0;
  const auto handle = it.parts.events.on_enqueued([&](std::string_view kind) { told += kind == it.queue.kind; });
  UNTIL(it.parts.events.listening());
  co_await it.enqueue(it.queue.many(50));
  UNTIL(told > 0);
  CHECK(told <= 2);
}

namespace {

// What runners are told of a kind.
struct Told {
  Told(JobEvents& its_events, std::string kind)
      : events(its_events), handle(events.on_enqueued([this, kind](std::string_view told) {
          times += told == kind;
          settled = settled || told == mark;
        })) {}
  // How often so far: what was told before has been heard when it returns.
  Async<int> so_far() {
    UNTIL(events.listening());
    settled = false;
    events.publish_enqueued({mark});
    UNTIL(settled);
    co_return times;
  }

  JobEvents& events;
  const std::string mark = fresh_kind();
  int times = 0;
  bool settled = false;
  JobEvents::Handle handle;
};

}  // namespace

ASYNC_TEST(a_job_of_a_transaction_is_told_of_when_that_has_committed_and_not_before) {
  Intake it(reactor);
  Told told(it.parts.events, it.queue.kind);
  const int at_first = co_await told.so_far();
  CHECK_EQ(at_first, 0);
  Transaction transaction = co_await it.parts.db.begin();
  const auto added = co_await it.parts.intake.enqueue(transaction, it.queue.job());
  CHECK(added.what == Enqueued::created);
  const int before = co_await told.so_far();
  const auto rows_before = co_await it.rows();
  CHECK_EQ(before, 0);
  CHECK_EQ(rows_before, 0);
  co_await transaction.commit();
  const auto rows = co_await it.rows();
  CHECK_EQ(rows, 1);
  const int after = co_await told.so_far();
  CHECK_EQ(after, 1);
  const auto view = co_await it.queue.jobs.get(added.id);
  CHECK_EQ(view->status, JobStatus::queued);
}

ASYNC_TEST(nobody_is_told_of_a_job_that_was_rolled_back_or_was_there_before_or_is_not_due) {
  Intake it(reactor);
  Told told(it.parts.events, it.queue.kind);
  {
    Transaction left_open = co_await it.parts.db.begin();
    co_await it.parts.intake.enqueue(left_open, it.queue.job());
  }
  {
    Transaction failed = co_await it.parts.db.begin();
    co_await it.parts.intake.enqueue(failed, it.queue.job());
    const auto wrong = co_await failure_of(failed.query("select 1/0"));
    CHECK(wrong == FailureKind::internal);
    const auto refused = co_await failure_of(failed.commit());
    CHECK(refused == FailureKind::internal);
  }
  const auto rows = co_await it.rows();
  CHECK_EQ(rows, 0);
  NewJob later = it.queue.job();
  later.delay = 1h;
  Transaction transaction = co_await it.parts.db.begin();
  const auto added = co_await it.parts.intake.enqueue(transaction, later);
  CHECK(added.what == Enqueued::created);
  const auto again = co_await it.parts.intake.enqueue(transaction, later);
  CHECK(again.what == Enqueued::existing);
  co_await transaction.commit();
  const int times = co_await told.so_far();
  CHECK_EQ(times, 0);
}

ASYNC_TEST(a_job_that_postgres_cannot_store_fails_alone) {
  Intake it(reactor);
  auto jobs = it.queue.many(20);
  jobs[7].payload = "{";
  jobs[12].user_email = std::string("a\0@example.com", 14);
  const std::vector<std::string> bad{jobs[7].id, jobs[12].id};
  const auto ended = co_await it.enqueue(std::move(jobs), "body");
  for (std::size_t i = 0; i < ended.size(); ++i) {
    if (i == 7 || i == 12) {
      CHECK(ended[i].failure == FailureKind::unprocessable);
    } else {
      CHECK(ended[i].result && ended[i].result->what == Enqueued::created);
    }
  }
  const auto rows = co_await it.rows();
  CHECK_EQ(rows, 18);
  for (const std::string& id : bad) co_await it.until_forgotten(id);
}

ASYNC_TEST(without_a_database_nothing_is_left_behind) {
  Parts parts(reactor, {.conninfo = "host=/nonexistent dbname=none", .acquire_timeout = 100ms},
              redis_at("PLUGFLEET_TEST_PAYLOADS"));
  const NewJob job{.kind = fresh_kind(), .user_email = "a@example.com"};
  Ended ended;
  co_await enqueue_into(parts.intake, job, "body", ended);
  CHECK(ended.failure == FailureKind::unavailable);
  for (const auto deadline = Clock::now() + 5s;; co_await sleep_for(2ms)) {
    const auto body = co_await parts.payloads.take_body(job.id);
    if (!body) break;
    CHECK(Clock::now() < deadline);
  }
}

ASYNC_TEST(without_the_payload_redis_a_body_makes_no_job_and_a_job_without_one_is_taken) {
  Intake it(reactor, {.address = "/nonexistent/payloads.sock"});
  const Ended refused = co_await it.enqueue(it.queue.job(), "body");
  CHECK(refused.failure == FailureKind::unavailable);
  const auto none = co_await it.rows();
  CHECK_EQ(none, 0);
  const Ended taken = co_await it.enqueue(it.queue.job());
  CHECK(taken.result && taken.result->what == Enqueued::created);
}

// J11
ASYNC_TEST(a_hundred_at_once_with_one_key_are_one_job_with_one_body) {
  Intake it(reactor);
  const std::string key = random_hex(8);
  std::vector<NewJob> jobs;
  for (int i = 0; i < 100; ++i) jobs.push_back(keyed(it.queue, key, "digest"));
  std::vector<std::string> ids;
  for (const NewJob& job : jobs) ids.push_back(job.id);
  const auto ended = co_await it.enqueue(std::move(jobs), "body");
  int created = 0;
  for (const Ended& one : ended) {
    created += one.result->what == Enqueued::created;
    CHECK_EQ(one.result->id, ended[0].result->id);
  }
  CHECK_EQ(created, 1);
  const auto rows = co_await it.rows();
  CHECK_EQ(rows, 1);
  for (const std::string& id : ids) {
    if (id != ended[0].result->id) co_await it.until_forgotten(id);
  }
  const auto body = co_await it.parts.payloads.take_body(ended[0].result->id);
  CHECK_EQ(body.value_or("none"), "body");
}

ASYNC_TEST(a_key_with_another_body_is_a_conflict_and_leaves_no_body) {
  Intake it(reactor);
  const std::string key = random_hex(8);
  const NewJob first = keyed(it.queue, key, "one"), second = keyed(it.queue, key, "two");
  const Ended made = co_await it.enqueue(first, "one");
  CHECK(made.result->what == Enqueued::created);
  const Ended refused = co_await it.enqueue(second, "two");
  CHECK(refused.result->what == Enqueued::conflict);
  co_await it.until_forgotten(second.id);
  const auto body = co_await it.parts.payloads.take_body(first.id);
  CHECK_EQ(body.value_or("none"), "one");
}

ASYNC_TEST(a_statement_whose_connection_is_lost_is_sent_again) {
  Intake it(reactor);
  const std::string key = random_hex(8);
  Transaction begun = co_await it.queue.db.begin();
  auto holder = std::make_unique<Transaction>(std::move(begun));
  co_await Jobs::enqueue(*holder, {keyed(it.queue, key, "digest")});
  const NewJob job = keyed(it.queue, key, "digest");
  Ended ended;
  reactor.spawn(enqueue_into(it.parts.intake, job, "body", ended));
  co_await until_one_waits_for_a_lock(it.queue.db, "queue_jobs");
  co_await it.queue.db.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and query like $1",
      {"%queue_jobs%"});
  holder.reset();
  UNTIL(ended.result || ended.failure);
  CHECK(ended.result && ended.result->what == Enqueued::created);
  const auto body = co_await it.parts.payloads.take_body(job.id);
  CHECK_EQ(body.value_or("none"), "body");
}

// What an answer that was lost looks like to the try after it.
ASYNC_TEST(a_job_found_under_its_own_id_is_created_and_keeps_its_body) {
  Intake it(reactor);
  const NewJob job = it.queue.job();
  co_await it.queue.jobs.enqueue({job});
  const Ended ended = co_await it.enqueue(job, "body");
  CHECK(ended.result->what == Enqueued::created);
  const auto others = co_await it.enqueue(it.queue.many(3));  // whatever was to be forgotten has been by now
  CHECK_EQ(others.size(), 3u);
  const auto body = co_await it.parts.payloads.take_body(job.id);
  CHECK_EQ(body.value_or("none"), "body");
}

ASYNC_TEST(who_leaves_before_the_answer_leaves_a_job_with_its_body) {
  Intake it(reactor);
  const NewJob job = it.queue.job();
  Ended ended;
  const TaskPtr task = reactor.spawn(enqueue_into(it.parts.intake, job, "body", ended));
  while (it.parts.intake.waiting() == 0) co_await sleep_for(0ms);
  task->cancel(Failure(FailureKind::cancelled, "the client left"));
  UNTIL(it.parts.intake.waiting() == 0);
  CHECK(ended.failure == FailureKind::cancelled);
  const std::string status = co_await it.queue.status(job.id);
  CHECK_EQ(status, "queued");
  const auto body = co_await it.parts.payloads.take_body(job.id);
  CHECK_EQ(body.value_or("none"), "body");
}
