// What reports say against what the jobs themselves say, in a database of each test's own, whose time zone is far from
// UTC. Jobs grow old by having their times moved.
#include "core/analytics.h"

#include <cmath>

#include "core/jobs/jobs.h"
#include "support/fresh_database.h"
#include "wire/json.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

struct Books {
  explicit Books(Reactor& reactor) : fresh(reactor), db(reactor, fresh.options()), jobs(db, 60s) {}

  Async<void> open() {
    co_await fresh.create();
    co_await fresh.admin.query("alter database " + fresh.name + " set timezone = 'Pacific/Auckland'");
    co_await fresh.migrate();
    co_await jobs.declare({{.name = kind}});
  }
  Async<void> close() { co_await fresh.drop(); }

  // Until all that has ended by now is counted: the last second never is.
  Async<void> count() {
    for (const auto deadline = Clock::now() + 8s;; co_await sleep_for(20ms)) {
      co_await count_usage(db);
      const Rows left = co_await db.query(
          "select exists (select from only jobs where recorded_at >= (select until from usage_counted))");
      if (!left[0].boolean(0)) co_return;
      CHECK(Clock::now() < deadline);
    }
  }
  Async<Json> report(int days) {
    const std::string text = co_await usage_report(db, days);
    co_return Json::parse(text).value();
  }
  Async<std::string> begin_job(std::string email = "a@example.com") {
    const auto added = co_await jobs.enqueue({{.kind = kind, .user_email = std::move(email)}});
    co_return added[0].id;
  }
  Async<JobLease> take() {
    const auto claimed = co_await jobs.claim({.capacity = {{kind, 1}}, .batch = 1, .runner = kind});
    CHECK_EQ(claimed.size(), 1u);
    co_return claimed[0].lease;
  }
  Async<std::string> number(std::string sql) {
    const Rows rows = co_await db.query(std::move(sql));
    co_return std::string(rows[0].text(0));
  }

  FreshDatabase fresh;
  Database db;
  Jobs jobs;
  const std::string kind = "t.job";
};

std::int64_t whole(const Json& json, const char* name) { return json[name].integer().value(); }
double real(const Json& json, const char* name) { return json[name].number().value(); }
std::string text(const Json& json, const char* name) { return std::string(json[name].string().value()); }

// Some jobs a day for fifty days, of three types and thirty users, without two users of as many jobs.
constexpr const char* kSomeJobs = R"sql(
insert into jobs (type, status, created_at, completed_at, duration_ms, user_email, input_tokens, output_tokens, cost_usd)
select 'type' || n % 3, case when n % 11 = 0 then 'failed' when n % 13 = 0 then 'cancelled' else 'completed' end, at, at,
       (random() ^ 4 * 40000)::int, 'u' || floor(30 * random() ^ 2) || '@example.com', n % 1000, n % 100, (n % 7) * 0.000123
  from (select n, now() - random() * interval '50 days' as at from generate_series(1, $1::int) as n) as g)sql";

// From `all_jobs`, a copy of every job there ever was, by itself.
constexpr const char* kTrueSummary = R"sql(
select type, count(*) as jobs, count(*) filter (where status = 'completed') as successful,
       count(*) filter (where status = 'failed') as failed,
       avg(duration_ms) filter (where status = 'completed') as average,
       percentile_disc(0.50) within group (order by duration_ms) filter (where status = 'completed') as p50,
       percentile_disc(0.95) within group (order by duration_ms) filter (where status = 'completed') as p95
  from all_jobs where (created_at at time zone 'UTC')::date > (now() at time zone 'UTC')::date - $1::int
 group by type order by jobs desc, type)sql";
constexpr const char* kTrueTrend = R"sql(
select (created_at at time zone 'UTC')::date as date, type, count(*) as jobs,
       count(*) filter (where status = 'completed') as successful
  from all_jobs where (created_at at time zone 'UTC')::date > (now() at time zone 'UTC')::date - $1::int
 group by 1, 2 order by 1, 2)sql";
constexpr const char* kTrueUsers = R"sql(
select user_email, count(*) as jobs, count(*) filter (where status = 'completed') as successful,
       to_char(max(created_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as last,
       sum(input_tokens) as tokens_in, sum(output_tokens) as tokens_out, sum(cost_usd) as cost
  from all_jobs where (created_at at time zone 'UTC')::date > (now() at time zone 'UTC')::date - $1::int
 group by 1 order by jobs desc, user_email limit 10)sql";

bool within(double value, double expected, double part) { return std::abs(value - expected) <= part * expected; }

Async<void> check_against_all_jobs(Books& books, int days) {
  const Json report = co_await books.report(days);
  const Rows summary = co_await books.db.query(kTrueSummary, {days});
  CHECK_EQ(report["summary"].size(), summary.size());
  for (std::size_t i = 0; i < summary.size(); ++i) {
    const Json ours = report["summary"].at(i);
    CHECK_EQ(text(ours, "type"), summary[i].text("type"));
    CHECK_EQ(whole(ours, "total_jobs"), summary[i].integer("jobs"));
    CHECK_EQ(whole(ours, "successful"), summary[i].integer("successful"));
    CHECK_EQ(whole(ours, "failed"), summary[i].integer("failed"));
    CHECK_EQ(ours["p50_duration_ms"].is_null(), summary[i].is_null("p50"));
    if (summary[i].is_null("p50")) continue;  // none has completed
    CHECK(std::abs(real(ours, "avg_duration_ms") - summary[i].real("average")) < 0.051);
    CHECK(within(real(ours, "p50_duration_ms"), summary[i].real("p50"), 0.02));
    CHECK(within(real(ours, "p95_duration_ms"), summary[i].real("p95"), 0.02));
  }
  const Rows trend = co_await books.db.query(kTrueTrend, {days});
  CHECK_EQ(report["dailyTrend"].size(), trend.size());
  for (std::size_t i = 0; i < trend.size(); ++i) {
    const Json ours = report["dailyTrend"].at(i);
    CHECK_EQ(text(ours, "date"), trend[i].text("date"));
    CHECK_EQ(text(ours, "type"), trend[i].text("type"));
    CHECK_EQ(whole(ours, "jobs"), trend[i].integer("jobs"));
    CHECK_EQ(whole(ours, "successful"), trend[i].integer("successful"));
  }
  const Rows users = co_await books.db.query(kTrueUsers, {days});
  CHECK_EQ(report["topUsers"].size(), users.size());
  for (std::size_t i = 0; i < users.size(); ++i) {
    const Json ours = report["topUsers"].at(i);
    CHECK_EQ(text(ours, "user_email"), users[i].text("user_email"));
    CHECK_EQ(whole(ours, "total_jobs"), users[i].integer("jobs"));
    CHECK_EQ(whole(ours, "successful_jobs"), users[i].integer("successful"));
    CHECK_EQ(text(ours, "last_activity"), users[i].text("last"));
    CHECK_EQ(whole(ours, "input_tokens"), users[i].integer("tokens_in"));
    CHECK_EQ(whole(ours, "output_tokens"), users[i].integer("tokens_out"));
    CHECK(std::abs(real(ours, "cost_usd") - users[i].real("cost")) < 1e-9);
  }
}

// One job there is, and that one is yesterday's.
Async<void> check_yesterday(Books& books, std::int64_t successful) {
  const Json report = co_await books.report(2);
  CHECK_EQ(report["dailyTrend"].size(), 1u);
  CHECK_EQ(whole(report["dailyTrend"].at(0), "jobs"), 1);
  CHECK_EQ(whole(report["dailyTrend"].at(0), "successful"), successful);
  CHECK_EQ(whole(report["summary"].at(0), "successful"), successful);
  CHECK_EQ(whole(report["topUsers"].at(0), "successful_jobs"), successful);
  const Json today = co_await books.report(1);
  CHECK_EQ(today["summary"].size(), 0u);
}

JobEnding done(JobLease lease, Usage usage = {}) {
  return {.lease = std::move(lease), .outcome = JobOutcome::done, .result = "{}", .usage = usage};
}

}  // namespace

ASYNC_TEST(a_report_of_nothing_is_empty) {
  Books books(reactor);
  co_await books.open();
  std::string report = co_await usage_report(books.db, 7);
  std::erase(report, ' ');
  CHECK_EQ(report, R"({"summary":[],"dailyTrend":[],"topUsers":[]})");
  co_await books.close();
}

ASYNC_TEST(a_report_says_what_the_jobs_say_whether_they_are_counted_or_gone_or_not_yet_ended) {
  Books books(reactor);
  co_await books.open();
  co_await books.db.query("create table all_jobs (like jobs including defaults)");
  co_await books.db.query(kSomeJobs, {4000});  // counted, and then some of them deleted
  co_await books.db.query("insert into all_jobs select * from only jobs");
  co_await books.count();
  co_await books.db.query("delete from only jobs where created_at < now() - interval '7 days' and random() < 0.9");
  co_await books.db.query(kSomeJobs, {500});  // not counted yet
  co_await books.db.query(
      "insert into all_jobs select * from only jobs where recorded_at >= (select until from usage_counted)");
  std::vector<NewJob> open(50, {.kind = books.kind, .user_email = "u3@example.com"});  // not ended
  for (NewJob& job : open) job.id = uuid_v4();
  co_await books.jobs.enqueue(open);
  co_await books.db.query("update live_jobs set created_at = created_at - random() * interval '3 days'");
  co_await books.db.query(
      "insert into all_jobs (id, type, status, created_at, user_email) "
      "select id, type, status, created_at, user_email from live_jobs");
  for (const int days : {1, 2, 7, 30, 365}) co_await check_against_all_jobs(books, days);
  co_await books.count();
  for (const int days : {1, 7, 365}) co_await check_against_all_jobs(books, days);
  co_await books.close();
}

ASYNC_TEST(a_day_is_utcs) {
  Books books(reactor);
  co_await books.open();
  co_await books.db.query(
      "insert into jobs (type, status, created_at, duration_ms, user_email) "
      "select 'edge', 'completed', date_trunc('day', now(), 'UTC') + n * interval '1 us', 5, 'a@example.com' "
      "from generate_series(-1, 0) as n");
  for (int counted = 0; counted < 2; ++counted) {
    const Json report = co_await books.report(2);
    CHECK_EQ(report["dailyTrend"].size(), 2u);
    const Json today = co_await books.report(1);
    CHECK_EQ(whole(today["summary"].at(0), "total_jobs"), 1);
    co_await books.count();
  }
  co_await books.close();
}

ASYNC_TEST(a_job_of_yesterday_that_ends_today_is_yesterdays_success) {
  Books books(reactor);
  co_await books.open();
  co_await books.begin_job();
  co_await books.db.query("update live_jobs set created_at = created_at - interval '1 day'");
  co_await books.count();
  co_await check_yesterday(books, 0);
  const JobLease lease = co_await books.take();
  co_await books.jobs.finish({done(lease)});
  co_await check_yesterday(books, 1);
  co_await books.count();
  co_await check_yesterday(books, 1);
  co_await books.close();
}

ASYNC_TEST(a_row_that_is_committed_late_is_counted_all_the_same_and_once) {
  Books books(reactor);
  co_await books.open();
  Transaction late = co_await books.db.begin();
  co_await late.query(
      "insert into jobs (type, status, user_email, recorded_at) "
      "values ('late', 'failed', 'a@example.com', now() - interval '1 s')");
  co_await sleep_for(1100ms);
  co_await count_usage(books.db);
  const std::string counted = co_await books.number("select count(*) from usage_totals");
  CHECK_EQ(counted, "0");
  co_await late.commit();
  for (int i = 0; i < 2; ++i) {
    const Json report = co_await books.report(1);
    CHECK_EQ(whole(report["summary"].at(0), "total_jobs"), 1);
    co_await books.count();
  }
  co_await books.close();
}

ASYNC_TEST(however_many_count_each_job_is_counted_once) {
  Books books(reactor);
  co_await books.open();
  co_await books.db.query(kSomeJobs, {2000});
  co_await books.db.query("update only jobs set recorded_at = recorded_at - interval '5 s'");
  int well = 0;
  for (int i = 0; i < 4; ++i) {
    reactor.spawn(count_usage(books.db), [&](std::exception_ptr failure) { well += failure ? 0 : 1; });
  }
  UNTIL(well == 4);
  const std::string counted = co_await books.number(
      "select (select sum(total_jobs) from usage_totals) || ' ' || (select sum(total_jobs) from usage_by_user)");
  CHECK_EQ(counted, "2000 2000");
  co_await books.close();
}

ASYNC_TEST(what_attempts_used_adds_up_and_a_lost_lease_adds_nothing) {
  Books books(reactor);
  co_await books.open();
  const std::string id = co_await books.begin_job();
  const JobLease first = co_await books.take();
  const Usage used{.calls = 2, .input_tokens = 1000, .output_tokens = 50, .cost_usd = 0.0125};
  co_await books.jobs.finish({{.lease = first, .outcome = JobOutcome::retry, .wait = 0ms, .usage = used}});
  co_await books.jobs.finish({{.lease = first, .outcome = JobOutcome::retry, .usage = used}});
  const JobLease second = co_await books.take();
  const auto late = co_await books.jobs.finish({done(first, used)});
  CHECK(!late[0]);
  co_await books.jobs.finish({{.lease = second,
                               .outcome = JobOutcome::failed,
                               .error_code = "internal",
                               .error_message = "no",
                               .usage = used}});
  const std::string usage =
      "select concat_ws(' ', ai_calls, input_tokens, output_tokens, cost_usd) from jobs where id = '" + id + "'";
  std::string sum = co_await books.number(usage);
  CHECK_EQ(sum, "4 2000 100 0.025000");
  co_await books.count();
  // An operator's new start: what it has used stays used, and nothing is counted twice.
  co_await books.jobs.retry(id);
  Json report = co_await books.report(1);
  CHECK_EQ(whole(report["summary"].at(0), "failed"), 0);
  CHECK_EQ(whole(report["summary"].at(0), "total_jobs"), 1);
  CHECK_EQ(whole(report["topUsers"].at(0), "input_tokens"), 2000);
  const JobLease third = co_await books.take();
  co_await books.jobs.finish({done(third, used)});
  for (int counted = 0; counted < 2; ++counted) {
    report = co_await books.report(1);
    CHECK_EQ(whole(report["summary"].at(0), "successful"), 1);
    CHECK_EQ(whole(report["summary"].at(0), "total_jobs"), 1);
    CHECK_EQ(whole(report["topUsers"].at(0), "input_tokens"), 3000);
    CHECK_EQ(real(report["topUsers"].at(0), "cost_usd"), 0.0375);
    co_await books.count();
  }
  sum = co_await books.number(usage);
  CHECK_EQ(sum, "6 3000 150 0.037500");
  co_await books.close();
}

ASYNC_TEST(absurd_numbers_of_a_provider_break_no_sum) {
  Books books(reactor);
  co_await books.open();
  for (const double cost : {std::nan(""), HUGE_VAL, -1.0, 1e300}) {
    co_await books.begin_job();
    const JobLease lease = co_await books.take();
    const auto ended = co_await books.jobs.finish(
        {done(lease, {.calls = INT64_MAX, .input_tokens = INT64_MAX, .output_tokens = INT64_MIN, .cost_usd = cost})});
    CHECK_EQ(ended[0].value().status, JobStatus::completed);
  }
  for (int counted = 0; counted < 2; ++counted) {
    const Json report = co_await books.report(1);
    CHECK_EQ(whole(report["topUsers"].at(0), "output_tokens"), 0);
    CHECK_EQ(real(report["topUsers"].at(0), "cost_usd"), 2e6);
    co_await books.count();
  }
  co_await books.close();
}

ASYNC_TEST(the_analysts_numbers_of_a_day_outlive_some_of_its_jobs) {
  Books books(reactor);
  co_await books.open();
  co_await books.db.query(
      "insert into jobs (type, status, created_at, duration_ms, user_email) "
      "select 'old', 'completed', '2026-03-01T12:00Z', n, 'a@example.com' from generate_series(1, 50) as n");
  co_await books.count();
  co_await books.db.query("select aggregate_daily_stats('2026-03-01')");
  co_await books.db.query("delete from only jobs where duration_ms > 5");
  co_await books.db.query("select aggregate_daily_stats('2026-03-01')");
  const std::string kept = co_await books.number("select total_jobs || ' ' || p50_duration_ms from usage_stats");
  CHECK_EQ(kept, "50 25");
  co_await books.close();
}
