#include "core/analytics.h"

namespace plugfleet {
namespace {

constexpr const char* kDays =
    "select today - $1::int + 1 as first, today as last from (select (now() at time zone 'UTC')::date as today) as n";

// From the day $1 to the day $2: values, so that the planner knows how much that is. That recorded_at has an upper
// bound tells it that it is little. Of the ten top users alone the details are looked up.
constexpr const char* kReport = R"sql(
with recent as (
  select (created_at at time zone 'UTC')::date as date, type, user_email, status, duration_ms, created_at, input_tokens,
         output_tokens, cost_usd
    from only jobs where recorded_at between (select until from usage_counted) and 'infinity'
   union all
  select (created_at at time zone 'UTC')::date, type, user_email, status, null, created_at, input_tokens, output_tokens,
         cost_usd
    from live_jobs
), fresh as materialized (
  select * from recent where date between $1 and $2
), days as materialized (
  select date, type, sum(jobs) as jobs, sum(successful) as successful, sum(failed) as failed
    from (select date, operation_type as type, total_jobs as jobs, successful_jobs as successful, failed_jobs as failed
            from usage_totals where date between $1 and $2
           union all
          select date, type, 1, (status = 'completed')::int, (status = 'failed')::int from fresh) as d
   where jobs > 0 group by date, type
), durations as (
  select type, bucket, sum(jobs) as jobs, sum(total_ms) as total_ms,
         sum(sum(jobs)) over (partition by type order by bucket) as so_far,
         sum(sum(jobs)) over (partition by type) as all_jobs
    from (select operation_type as type, bucket, jobs, total_ms from usage_durations
           where date between $1 and $2
           union all
          select type, duration_bucket(duration_ms), 1, duration_ms from fresh
           where status = 'completed' and duration_ms is not null) as d
   group by type, bucket
), took as (
  select type, trim_scale(round(sum(total_ms) / sum(jobs), 1)) as average,
         bucket_duration(min(bucket) filter (where so_far >= all_jobs * 0.50)) as p50,
         bucket_duration(min(bucket) filter (where so_far >= all_jobs * 0.95)) as p95
    from durations group by type
), summary as (
  select type, sum(jobs) as jobs, sum(successful) as successful, sum(failed) as failed from days group by type
), top as materialized (
  select user_email, sum(jobs) as jobs
    from (select user_email, sum(total_jobs) as jobs from usage_by_user where date between $1 and $2 group by user_email
           union all
          select user_email, count(*) from fresh group by user_email) as u
   group by user_email having sum(jobs) > 0 order by jobs desc, user_email limit 10
), users as (
  select user_email, jobs, sum(successful) as successful, max(last_activity) as last_activity,
         sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens, sum(cost_usd) as cost_usd
    from (select u.user_email, successful_jobs as successful, last_activity, input_tokens, output_tokens, cost_usd
            from generate_series($1, $2, interval '1 day') as day, top, lateral (
              select * from usage_by_user where date = day::date and user_email = top.user_email offset 0) as u
           union all
          select user_email, (status = 'completed')::int, created_at, input_tokens, output_tokens, cost_usd
            from fresh) as u
    join top using (user_email)
   group by user_email, jobs
)
select json_build_object(
  'summary', (select coalesce(json_agg(json_build_object(
      'type', type, 'total_jobs', jobs, 'successful', successful, 'failed', failed,
      'avg_duration_ms', average, 'p50_duration_ms', p50, 'p95_duration_ms', p95)
      order by jobs desc, type), '[]') from summary left join took using (type)),
  'dailyTrend', (select coalesce(json_agg(json_build_object(
      'date', date, 'type', type, 'jobs', jobs, 'successful', successful) order by date, type), '[]') from days),
  'topUsers', (select coalesce(json_agg(json_build_object(
      'user_email', user_email, 'total_jobs', jobs, 'successful_jobs', successful,
      'last_activity', to_char(last_activity at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'input_tokens', input_tokens, 'output_tokens', output_tokens, 'cost_usd', trim_scale(cost_usd))
      order by jobs desc, user_email), '[]') from users))::text as report)sql";

}  // namespace

Async<std::string> usage_report(Database& database, int days) {
  const Rows window = co_await database.query(kDays, {days});
  std::string report = co_await database.one<std::string>(kReport, window[0].text("first"), window[0].text("last"));
  co_return report;
}

// The first time may have years to count.
Async<void> count_usage(Database& database) {
  Transaction transaction = co_await database.begin();
  co_await transaction.query("set local statement_timeout = '10min'");
  co_await transaction.query("select count_usage()");
  co_await transaction.commit();
}

}  // namespace plugfleet
