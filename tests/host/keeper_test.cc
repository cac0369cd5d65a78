// The keeper against real PostgreSQL and Redis. Jobs grow old by having their times moved.
#include "host/keeper.h"

#include "base/log.h"
#include "core/jobs/jobs_support.h"
#include "support/served.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

struct House : WithPlatform {
  explicit House(Reactor& reactor, Values set = {})
      : WithPlatform(reactor, real_servers(std::move(set))), queue(reactor) {
    keeper.emplace(*platform, std::vector<TimedWork>());
  }

  Async<void> make_older(std::string interval) {
    co_await queue.db.query(
        "update jobs set created_at = created_at - $2::interval, completed_at = completed_at - $2::interval, "
        "recorded_at = recorded_at - $2::interval "
        "where type = $1",
        {queue.kind, interval});
  }
  Async<std::int64_t> seconds_left(std::string id) {
    const RedisReply reply = co_await platform->payloads.command({"TTL", "job:" + id + ":body"});
    co_return reply.integer;
  }

  Queue queue;
  std::optional<Keeper> keeper;
};

}  // namespace

// ---- Duties ------------------------------------------------------------------------------------------------------

namespace {

Async<void> count_and_fail(int* turns) {
  ++*turns;
  co_await sleep_for(1ms);
  throw Failure(FailureKind::unavailable, "no luck");
}
Async<void> count_and_hang(int* turns, int* cancelled) {
  ++*turns;
  try {
    co_await sleep_for(1h);
  } catch (const Cancellation&) {
    ++*cancelled;
    throw;
  }
}
Async<void> count_and_end(int* turns) {
  ++*turns;
  co_await sleep_for(1ms);
}

}  // namespace

ASYNC_TEST(a_duty_that_fails_or_hangs_is_tried_again_and_does_not_stop_the_others) {
  log_open("/dev/null", Severity::error);
  int failing = 0, hanging = 0, cancelled = 0, well = 0;
  {
    const Duty first(reactor, "t.fails", {1ms, 1s}, [&] { return count_and_fail(&failing); });
    const Duty second(reactor, "t.hangs", {1ms, 20ms}, [&] { return count_and_hang(&hanging, &cancelled); });
    const Duty third(reactor, "t.well", {1ms, 1s}, [&] { return count_and_end(&well); });
    UNTIL(failing > 3 && hanging > 3 && well > 20);
    CHECK_EQ(cancelled, hanging - 1);
    CHECK_EQ(gauge("plugfleet_keeper_last_turn_seconds", "duty=\"t.fails\"").value(), 0);
    CHECK(gauge("plugfleet_keeper_last_turn_seconds", "duty=\"t.well\"").value() > 1'600'000'000);
  }
  UNTIL(cancelled == hanging);  // by the duty's end
  const int turns = failing + hanging + well;
  co_await sleep_for(30ms);
  CHECK_EQ(failing + hanging + well, turns);
}

// ---- The queue ---------------------------------------------------------------------------------------------------

ASYNC_TEST(a_dead_runners_jobs_are_queued_again_and_their_watchers_told) {
  House house(reactor);
  co_await house.queue.declare();
  const std::string id = co_await house.queue.add();
  std::vector<std::string> told;
  const auto watching =
      house.platform->events.watch(id, [&](const JobEvent& event) { told.emplace_back(name_of(event.status)); });
  UNTIL(house.platform->events.listening());
  co_await house.queue.take();
  co_await house.queue.let_time_pass(id);
  co_await house.keeper->reap();
  const std::string status = co_await house.queue.status(id);
  CHECK_EQ(status, "queued");
  UNTIL(!told.empty());
  CHECK(told == std::vector<std::string>{"queued"});
}

ASYNC_TEST(ended_jobs_go_when_they_are_old_and_not_among_the_last_of_their_kind) {
  House house(reactor, {{"JOBS_KEEP_COMPLETED", "3"}, {"JOBS_KEEP_FAILED", "1"}, {"JOBS_KEEP_DAYS", "2"}});
  Queue& queue = house.queue;
  co_await queue.declare();
  co_await queue.jobs.enqueue(queue.many(9));
  const auto claimed = co_await queue.claim(8);
  std::vector<JobEnding> endings;
  for (std::size_t i = 0; i < claimed.size(); ++i) {
    endings.push_back(i < 5 ? done(claimed[i].lease) : ending(claimed[i].lease, JobOutcome::failed));
  }
  co_await queue.jobs.finish(endings);
  const std::string counts =
      "select count(*) filter (where status = 'completed') * 100 + count(*) filter (where status = 'failed') * 10 + "
      "count(*) filter (where status = 'queued') from jobs where type = $1";
  co_await house.make_older("1 day");
  co_await house.keeper->prune();
  auto left = co_await count_of(queue.db, counts, {queue.kind});
  CHECK_EQ(left, 531);
  co_await house.make_older("1 day");
  co_await house.keeper->prune();
  left = co_await count_of(queue.db, counts, {queue.kind});
  CHECK_EQ(left, 311);
}

ASYNC_TEST(what_is_deleted_has_been_counted) {
  House house(reactor, {{"JOBS_KEEP_COMPLETED", "0"}, {"JOBS_KEEP_DAYS", "2"}});
  Queue& queue = house.queue;
  co_await queue.db.query(
      "insert into jobs (type, status, user_email, created_at, completed_at) select $1, 'completed', "
      "'a@example.com', now() - interval '3 days', now() - interval '3 days' from generate_series(1, 5)",
      {queue.kind});
  for (std::int64_t left = 5; left > 0; co_await sleep_for(20ms)) {
    co_await house.keeper->prune();
    left = co_await count_of(queue.db, "select count(*) from jobs where type = $1", {queue.kind});
  }
  const auto counted =
      co_await count_of(queue.db, "select sum(total_jobs) from usage_totals where operation_type = $1", {queue.kind});
  CHECK_EQ(counted, 5);
}

ASYNC_TEST(a_waiting_jobs_body_is_kept_alive_until_the_bound) {
  House house(reactor, {{"JOB_PAYLOAD_TTL", "300s"}, {"JOB_PAYLOAD_BOUND", "600s"}});
  co_await house.queue.declare();
  NewJob job = house.queue.job();
  job.has_body = true;
  const std::string id = co_await house.queue.add(job);
  co_await house.platform->body_store.put_body(id, "{}");
  const std::vector<std::string> soon_gone{"EXPIRE", "job:" + id + ":body", "30"};

  co_await house.platform->payloads.command(soon_gone);
  co_await house.keeper->refresh_bodies();
  auto left = co_await house.seconds_left(id);
  CHECK(left > 290 && left <= 300);

  co_await house.make_older("11 minutes");
  co_await house.platform->payloads.command(soon_gone);
  co_await house.keeper->refresh_bodies();
  left = co_await house.seconds_left(id);
  CHECK(left > 0 && left <= 30);
}

ASYNC_TEST(what_waits_is_measured) {
  House house(reactor);
  co_await house.queue.declare();
  co_await house.queue.jobs.enqueue(house.queue.many(3));
  co_await house.queue.take();
  co_await house.make_older("1 hour");
  co_await house.keeper->measure_depths();
  const std::string label = fmt::format("kind=\"{}\"", house.queue.kind);
  CHECK_EQ(gauge("plugfleet_jobs_ready", label).value(), 2);
  CHECK_EQ(gauge("plugfleet_jobs_processing", label).value(), 1);
  CHECK(gauge("plugfleet_jobs_oldest_seconds", label).value() / 60 == 60);
}

ASYNC_TEST(a_month_without_a_partition_gets_one) {
  House house(reactor);
  const Rows next = co_await house.queue.db.query(
      "select 'api_calls_' || to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY_MM') as name");
  const std::string name(next[0].text("name"));
  co_await house.queue.db.query("drop table if exists " + name);
  for (int i = 0; i < 2; ++i) co_await house.keeper->make_months();
  const auto attached = co_await count_of(
      house.queue.db,
      "select count(*) from pg_inherits where inhparent = 'api_calls'::regclass and inhrelid = $1::regclass", {name});
  CHECK_EQ(attached, 1);
}

// ---- Times -------------------------------------------------------------------------------------------------------

namespace {

// One job of the queue's kind, at a minute of the day that is `ago` past by the database's clock.
struct Timed {
  explicit Timed(House& its_house) : house(its_house) {}

  Async<void> schedule(std::string ago, const char* format = "FMMI FMHH24 * * *") {
    const Rows rows = co_await house.queue.db.query(
        "select to_char((now() - $1::interval) at time zone 'UTC', $2) as text", {ago, format});
    const CronEntry entry{.name = "cron of " + house.queue.kind,
                          .schedule = std::string(rows[0].text("text")),
                          .kind = house.queue.kind,
                          .payload = R"({"n": 1})"};
    works = declared_crons({{.name = "test", .jobs = {{.kind = house.queue.kind, .attempts = 7}}, .crons = {entry}}});
  }
  Async<void> ran_last(std::string ago) {
    co_await house.queue.db.query("insert into cron_runs values ($1, now() - $2::interval)", {works[0].name, ago});
  }
  Async<std::int64_t> jobs() {
    return count_of(house.queue.db, "select count(*) from live_jobs where type = $1 and max_attempts = 7",
                    {house.queue.kind});
  }

  House& house;
  std::vector<TimedWork> works;
};

Async<void> count_if_ran(Database& database, const TimedWork& work, int* ran) {
  const bool here = co_await run_if_due(database, work);
  *ran += here;
}

Async<void> no_luck(Transaction& transaction) {
  co_await transaction.query("select 1");
  throw Failure(FailureKind::internal, "no luck");
}

std::string refusal(std::vector<CronEntry> crons) {
  try {
    declared_crons({{.name = "notes", .jobs = {{.kind = "notes.digest"}}, .crons = std::move(crons)}});
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

}  // namespace

ASYNC_TEST(each_time_is_dealt_with_once_however_many_keepers_look) {
  House house(reactor);
  Timed timed(house);
  co_await timed.schedule("2 minutes");
  co_await timed.ran_last("1 hour");
  const Fleet keepers(reactor, 6);
  int ran = 0;
  for (int round = 0; round < 2; ++round) {
    co_await all_at_once(reactor, 12, [&](int i) {
      return count_if_ran(*keepers.databases[static_cast<std::size_t>(i % 6)], timed.works[0], &ran);
    });
  }
  CHECK_EQ(ran, 1);
  const auto jobs = co_await timed.jobs();
  CHECK_EQ(jobs, 1);
}

ASYNC_TEST(a_time_missed_for_less_than_a_day_is_made_up_for_once) {
  House house(reactor);
  Timed timed(house);
  co_await timed.schedule("23 hours 50 minutes");
  co_await timed.ran_last("4 days");  // three more were missed
  for (int i = 0; i < 3; ++i) co_await run_if_due(house.queue.db, timed.works[0]);
  const auto jobs = co_await timed.jobs();
  CHECK_EQ(jobs, 1);
}

ASYNC_TEST(a_time_missed_for_more_than_a_day_is_let_go) {
  House house(reactor);
  Timed timed(house);
  co_await timed.schedule("25 hours", "FMMI FMHH24 FMDD FMMM *");
  co_await timed.ran_last("4 days");
  const bool ran = co_await run_if_due(house.queue.db, timed.works[0]);
  CHECK(!ran);
}

ASYNC_TEST(what_is_new_waits_for_its_next_time) {
  House house(reactor);
  Timed timed(house);
  co_await timed.schedule("2 minutes");
  for (int i = 0; i < 2; ++i) {
    const bool ran = co_await run_if_due(house.queue.db, timed.works[0]);
    CHECK(!ran);
  }
}

ASYNC_TEST(work_that_fails_is_still_due) {
  House house(reactor);
  Timed timed(house);
  co_await timed.schedule("2 minutes");
  co_await timed.ran_last("1 hour");
  TimedWork failing = timed.works[0];
  failing.run = [](Transaction& transaction, CronSchedule::Time, CronSchedule::Time) { return no_luck(transaction); };
  bool thrown = false;
  try {
    co_await run_if_due(house.queue.db, failing);
  } catch (const Failure&) {
    thrown = true;
  }
  CHECK(thrown);
  const bool ran = co_await run_if_due(house.queue.db, timed.works[0]);
  CHECK(ran);
}

ASYNC_TEST(the_daily_numbers_are_made_of_every_past_day_that_had_a_job_since_the_last_time) {
  House house(reactor);
  co_await house.queue.db.query(
      "insert into jobs (type, status, user_email, created_at, duration_ms) select $1, 'completed', 'a@example.com', "
      "date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - n * interval '1 day' + interval '1 hour', 5 "
      "from generate_series(0, 4) as n",
      {house.queue.kind});
  TimedWork work = daily_stats();
  work.name += house.queue.kind;
  work.schedule = CronSchedule("0 0 * * *");  // today's is past, whatever the time
  co_await house.queue.db.query(
      "insert into cron_runs values ($1, date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '2 "
      "days')",
      {work.name});
  const bool ran = co_await run_if_due(house.queue.db, work);
  CHECK(ran);
  const Rows rows = co_await house.queue.db.query(
      "select string_agg(((now() at time zone 'UTC')::date - date)::text, ' ' order by date) as days_ago "
      "from usage_stats where operation_type = $1 and total_jobs = 1",
      {house.queue.kind});
  CHECK_EQ(rows[0].text("days_ago"), "4 3 2 1");
}

TEST(a_wrong_cron_entry_is_refused_with_its_name) {
  const CronEntry right{.name = "nightly", .schedule = "0 2 * * *", .kind = "notes.digest"};
  CHECK_EQ(refusal({right}), "");
  CHECK_CONTAINS(refusal({right, right}), "cron nightly: its name stands twice");
  CHECK_CONTAINS(refusal({{.name = "aggregate_daily_stats", .schedule = "0 2 * * *", .kind = "notes.digest"}}),
                 "twice");
  CHECK_CONTAINS(refusal({{.name = "nightly", .schedule = "0 2 * * *", .kind = "notes.other"}}),
                 "no module runs notes.other");
  CHECK_CONTAINS(refusal({{.name = "nightly", .schedule = "0 25 * * *", .kind = "notes.digest"}}),
                 "its hour is \"25\"");
}
