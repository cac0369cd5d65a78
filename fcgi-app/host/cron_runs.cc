#include "host/cron_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"

namespace plugfleet {
namespace {

using Time = CronSchedule::Time;

constexpr auto kMadeUpFor = 24h;

constexpr const char* kFirstSeen =
    "insert into cron_runs (name, last_time) values ($1, date_trunc('second', now())) on conflict do nothing";
constexpr const char* kLook =
    "select extract(epoch from last_time)::bigint as last, extract(epoch from clock_timestamp())::bigint as now "
    "from cron_runs where name = $1";
// Another keeper's transaction that does it right now is waited for: it may fail.
constexpr const char* kMoveOn =
    "update cron_runs set last_time = to_timestamp($2) where name = $1 and last_time < to_timestamp($2)";

Time time_of(std::int64_t epoch) { return Time(std::chrono::seconds(epoch)); }

Async<void> enqueue_job(Transaction& transaction, NewJob job) {
  job.id = uuid_v4();
  std::vector<NewJob> jobs;
  jobs.push_back(std::move(job));
  co_await Jobs::enqueue(transaction, std::move(jobs));
}

}  // namespace

Async<bool> run_if_due(Database& database, const TimedWork& work) {
  Rows seen = co_await database.query(kLook, {work.name});
  if (seen.empty()) {
    co_await database.query(kFirstSeen, {work.name});
    seen = co_await database.query(kLook, {work.name});
  }
  const Time last = time_of(seen[0].integer("last")), now = time_of(seen[0].integer("now"));
  const Time from = std::max(last, now - kMadeUpFor);
  const Time due = work.schedule.last_in(from, now);
  if (due == from) co_return false;

  Transaction transaction = co_await database.begin();
  const Rows moved = co_await transaction.query(kMoveOn, {work.name, due.time_since_epoch().count()});
  if (moved.affected() == 0) co_return false;  // another keeper did it
  co_await work.run(transaction, last, due);
  co_await transaction.commit();
  log(Severity::info, "cron_ran", {{"name", work.name}, {"due", rfc3339(due)}});
  co_return true;
}

std::vector<TimedWork> declared_crons(const std::vector<Module>& modules) {
  std::vector<TimedWork> works;
  std::set<std::string> names{"aggregate_daily_stats"};  // the keeper's own
  for (const Module& module : modules) {
    for (const CronEntry& entry : module.crons) {
      const auto wrong = [&](std::string_view why) {
        return Failure(FailureKind::internal, fmt::format("module {}, cron {}: {}", module.name, entry.name, why));
      };
      if (!names.insert(entry.name).second) throw wrong("its name stands twice");
      const JobHandler* handler = nullptr;
      for (const Module& other : modules) {
        const auto found = std::ranges::find(other.jobs, entry.kind, &JobHandler::kind);
        if (found != other.jobs.end()) handler = &*found;
      }
      if (!handler) throw wrong(fmt::format("no module runs {}", entry.kind));
      if (handler->price) throw wrong("its kind has a price, and no team pays for what a cron enqueues");
      const NewJob job{
          .kind = entry.kind, .payload = entry.payload, .user_email = "cron", .max_attempts = handler->attempts};
      works.push_back({.name = entry.name,
                       .schedule = CronSchedule(entry.schedule),
                       .run = [job](Transaction& transaction, Time, Time) { return enqueue_job(transaction, job); },
                       .kind = entry.kind});
    }
  }
  return works;
}

}  // namespace plugfleet
