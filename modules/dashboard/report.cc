#include "dashboard/report.h"

#include <fmt/format.h>

#include "base/text.h"

namespace dashboard {

namespace {

using Day = std::chrono::sys_days;

std::string text_of_day(Day day) {
  const std::chrono::year_month_day date(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::optional<Day> day_of(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = number_in<int>(text.substr(0, 4), 2000, 2999), month = number_in<int>(text.substr(5, 2), 1, 12),
             day = number_in<int>(text.substr(8, 2), 1, 31);
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  return date.ok() ? std::optional(Day(date)) : std::nullopt;
}

// $1: the team; $2, $3: the first and the last day; $4: by what. Days are the sums of all kinds. That recorded_at has an
// upper bound tells the planner that it is little.
constexpr const char* kUsage = R"sql(
with fresh as materialized (
  select case $4 when 'day' then (created_at at time zone 'UTC')::date::text when 'kind' then type
                 when 'plugin' then coalesce(plugin, '') else coalesce(owner, '') end as key,
         status, duration_ms, input_tokens + output_tokens as tokens,
         case when status = 'completed' then job_credits(price, input_tokens + output_tokens, cost_usd) else 0 end as credits
    from only jobs
   where recorded_at between (select until from usage_counted) and 'infinity' and team_id = $1
     and (created_at at time zone 'UTC')::date between $2 and $3
), sums as (
  select key, sum(jobs) as jobs, sum(failures) as failures, sum(tokens) as tokens, sum(credits) as credits
    from (select case $4 when 'day' then date::text else name end as key, total_jobs as jobs, failed_jobs as failures, tokens, credits
            from usage_by_team
           where team_id = $1 and dimension = case $4 when 'day' then 'kind' else $4 end and date between $2 and $3
           union all
          select key, 1, (status = 'failed')::int, tokens, credits from fresh
           union all
          select day::date::text, 0, 0, 0, 0 from generate_series($2::date, $3::date, interval '1 day') as day where $4 = 'day') as s
   group by key having sum(jobs) > 0 or $4 = 'day'
), durations as (
  select key, bucket, sum(sum(jobs)) over (partition by key order by bucket) as so_far, sum(sum(jobs)) over (partition by key) as all_jobs
    from (select case $4 when 'day' then date::text else name end as key, bucket, jobs from usage_team_durations
           where team_id = $1 and dimension = case $4 when 'day' then 'kind' else $4 end and date between $2 and $3
           union all
          select key, duration_bucket(duration_ms), 1 from fresh where status = 'completed' and duration_ms is not null) as d
   group by key, bucket
), took as (
  select key, bucket_duration(min(bucket) filter (where so_far >= all_jobs * 0.50)) as p50,
         bucket_duration(min(bucket) filter (where so_far >= all_jobs * 0.95)) as p95
    from durations group by key
), members as (
  select u.id, u.subject, u.issuer || '|' || u.subject as other, coalesce(u.name, u.email, u.id::text) as name
    from team_members m join users u on u.id = m.user_id where m.team_id = $1 and $4 = 'user'
)
select case $4 when 'user' then coalesce(m.id::text, '') else s.key end as key, case $4 when 'user' then coalesce(m.name, '') else s.key end as name,
       jobs, failures, tokens, credits, p50 as p50_ms, p95 as p95_ms
  from sums s left join took using (key) left join members m on s.key in (m.subject, m.other)
 order by case $4 when 'day' then s.key end, jobs desc, s.key limit 500)sql";

// A text that a spreadsheet could take for a formula begins with a quote (OWASP, "CSV Injection").
std::string cell(std::string_view text) {
  std::string quoted = "\"";
  if (!text.empty() && std::string_view("=+-@\t\r").contains(text[0])) quoted += '\'';
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string cell(const std::optional<double>& number) { return number ? fmt::format("{}", *number) : std::string(); }

}  // namespace

Wanted read_wanted(UsageQuery query, WallClock::time_point now) {
  const Day today = std::chrono::floor<std::chrono::days>(now);
  const auto to = query.to ? day_of(*query.to) : today;
  const auto from = query.from ? day_of(*query.from) : to.value_or(today) - std::chrono::days(29);
  std::vector<Detail> wrong;
  if (!from) wrong.push_back({"from", "must be a day: 2026-11-30"});
  if (!to) wrong.push_back({"to", "must be a day: 2026-11-30"});
  if (from && to && *from > *to) wrong.push_back({"from", "must not be after to"});
  if (from && to && *to - *from >= std::chrono::days(kDaysMost))
    wrong.push_back({"from", fmt::format("must be at most {} days before to", kDaysMost - 1)});
  if (!wrong.empty()) throw_wrong_query(std::move(wrong));
  return {text_of_day(*from), text_of_day(*to), query.by.value_or("day")};
}

Async<Usage> usage_of(Sql& sql, std::string team, Wanted wanted) {
  Usage usage{.from = wanted.from, .to = wanted.to, .by = wanted.by, .lines = {}};
  usage.lines = co_await sql.all<UsageLine>(kUsage, team, wanted.from, wanted.to, wanted.by);
  co_return usage;
}

std::string csv_of(const Usage& usage) {
  std::string csv = fmt::format("{},name,jobs,failures,tokens,credits,p50Ms,p95Ms\r\n", usage.by);
  for (const UsageLine& line : usage.lines)
    csv += fmt::format("{},{},{},{},{},{},{},{}\r\n", cell(line.key), cell(line.name), line.jobs, line.failures,
                       line.tokens, line.credits, cell(line.p50_ms), cell(line.p95_ms));
  return csv;
}

}  // namespace dashboard
