#include "host/keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "core/analytics.h"

namespace plugfleet {
namespace {

constexpr int kReapBatch = 500, kPruneBatch = 1000, kRefreshBatch = 1000;
constexpr auto kPatience = 10min;
constexpr auto kTwoHeartbeats = 3s;  // of runners (host/job_runner.cc)

// Every type that has ended jobs, whether somebody declared it or not: one step of an index for each.
constexpr const char* kEndedKinds = R"sql(
with recursive kinds as (
  select min(type) as type from only jobs
  union all
  select (select min(type) from only jobs where type > kinds.type) from kinds where type is not null
)
select type from kinds where type is not null)sql";

// Only what is missing: making a partition locks api_calls.
constexpr const char* kMakeMonths = R"sql(
select create_api_calls_partition(day)
  from (select (now() at time zone 'UTC' + n * interval '1 month')::date as day from generate_series(0, 1) as n) as months
 where to_regclass('api_calls_' || to_char(day, 'YYYY_MM')) is null)sql";

// Whenever it ran last, and however long ago a job that has ended since was created. A row may have come a little
// later than its time says.
constexpr const char* kAggregate = R"sql(
select aggregate_daily_stats(day)
  from (select distinct (created_at at time zone 'UTC')::date as day from jobs
         where recorded_at > to_timestamp($1) - interval '1 hour') as days
 where day < (to_timestamp($2) at time zone 'UTC')::date)sql";

Async<void> aggregate_daily_stats(Transaction& transaction, CronSchedule::Time last, CronSchedule::Time due) {
  co_await transaction.query("set local statement_timeout = '10min'");
  co_await transaction.query(kAggregate, {last.time_since_epoch().count(), due.time_since_epoch().count()});
}

std::string why(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const SqlError& error) {
    return fmt::format("{} ({})", error.primary(), error.sqlstate());
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

// ---- A duty ------------------------------------------------------------------------------------------------------

struct Duty::State {
  State(Reactor& the_reactor, std::string its_name, Times its_times, std::function<Async<void>()> its_turn)
      : reactor(the_reactor),
        name(std::move(its_name)),
        times(its_times),
        turn(std::move(its_turn)),
        timer(reactor),
        last_turn(gauge("plugfleet_keeper_last_turn_seconds", fmt::format("duty=\"{}\"", name),
                        "When the duty last ended well (Unix time).")) {}

  static void begin(const std::shared_ptr<State>& state) {
    State& s = *state;
    s.task.reset();
    s.timer.arm(s.times.longest, [&s] {
      if (s.task) s.task->cancel(Failure(FailureKind::unavailable, "its turn took too long"));
    });
    s.task = s.reactor.spawn(s.turn(), [weak = std::weak_ptr(state)](std::exception_ptr failure) {
      if (const auto self = weak.lock()) ended(self, failure);
    });
  }

  static void ended(const std::shared_ptr<State>& state, const std::exception_ptr& failure) {
    State& s = *state;
    if (failure && !s.failing) log(Severity::error, "keeper_duty_failed", {{"duty", s.name}, {"why", why(failure)}});
    if (!failure && s.failing) log(Severity::info, "keeper_duty_well_again", {{"duty", s.name}});
    s.failing = failure != nullptr;
    if (!failure) s.last_turn.set(WallClock::to_time_t(WallClock::now()));
    s.timer.arm(s.times.every, [weak = std::weak_ptr(state)] { begin(weak.lock()); });
  }

  Reactor& reactor;
  const std::string name;
  const Times times;
  const std::function<Async<void>()> turn;
  Timer timer;  // of the turn's deadline, or of the next turn
  TaskPtr task;
  bool failing = false;
  Gauge last_turn;
};

Duty::Duty(Reactor& reactor, std::string name, Times times, std::function<Async<void>()> turn)
    : state_(std::make_shared<State>(reactor, std::move(name), times, std::move(turn))) {
  State::begin(state_);
}

Duty::~Duty() {
  if (state_->task) state_->task->cancel(Failure(FailureKind::cancelled, "cancelled"));
}

// ---- The keeper's ------------------------------------------------------------------------------------------------

TimedWork daily_stats() {
  return {.name = "aggregate_daily_stats", .schedule = CronSchedule("15 0 * * *"), .run = aggregate_daily_stats};
}

Keeper::Keeper(Platform& platform, std::vector<TimedWork> crons, const std::vector<FleetPool>& pools,
               PoolNames pools_of_jobs)
    : platform_(platform),
      patient_(platform.reactor,
               {.conninfo = platform.settings.database_url, .pool_max = 2, .statement_timeout = kPatience}),
      crons_(std::move(crons)),
      scaler_(platform, pools, std::move(pools_of_jobs)) {
  crons_.push_back(daily_stats());
}

void Keeper::start() {
  const auto add = [this](std::string name, Duty::Times times, std::function<Async<void>()> turn) {
    duties_.push_back(std::make_unique<Duty>(platform_.reactor, std::move(name), times, std::move(turn)));
  };
  add("reap", {1s, 10s}, [this] { return reap_in_touch(); });
  const Clock::duration refresh_every = std::min<Clock::duration>(60s, platform_.settings.job_payload_ttl / 3);
  add("refresh", {refresh_every, 60s}, [this] { return refresh_bodies(); });
  add("usage", {10s, kPatience}, [this] { return count(); });
  add("prune", {60s, kPatience}, [this] { return prune(); });
  add("months", {60s, 60s}, [this] { return make_months(); });
  add("depths", {5s, 10s}, [this] { return measure_depths(); });
  if (scaler_.has_work()) add("scale", {1s, 20s}, [this] { return scaler_.look(); });
  for (const TimedWork& work : crons_) {
    add("cron " + work.name, {5s, kPatience}, [this, &work] { return run_cron(&work); });
  }
}

// After an outage every lease has run out: runners that live get time for a heartbeat first.
Async<void> Keeper::reap_in_touch() {
  const auto since = std::exchange(in_touch_since_, std::nullopt);
  const auto now = Clock::now();
  if (!since || now - *since < kTwoHeartbeats) {
    co_await platform_.database.query("select 1");
  } else {
    co_await reap();
  }
  in_touch_since_ = since.value_or(now);
}

Async<void> Keeper::reap() {
  for (bool more = true; more;) {
    const std::vector<JobChange> changes = co_await platform_.jobs.reap(kReapBatch);
    std::set<std::string> queued;
    for (const JobChange& change : changes) {
      platform_.events.publish({.id = change.id, .status = change.status, .number = change.event_number});
      if (change.status == JobStatus::queued) queued.insert(change.kind);
    }
    if (!queued.empty()) platform_.events.publish_enqueued({queued.begin(), queued.end()});
    if (!changes.empty()) log(Severity::warning, "jobs_reaped", {{"jobs", changes.size()}});
    more = changes.size() >= kReapBatch;
  }
}

Async<void> Keeper::refresh_bodies() {
  const auto bound = std::chrono::duration_cast<std::chrono::seconds>(platform_.settings.job_payload_bound);
  std::string last;
  for (bool more = true; more;) {
    const std::vector<std::string> ids = co_await platform_.jobs.waiting_bodies(last, kRefreshBatch, bound);
    if (!ids.empty()) {
      co_await platform_.body_store.refresh(ids);
      last = ids.back();
    }
    more = ids.size() >= kRefreshBatch;
  }
}

Async<void> Keeper::count() { co_await count_usage(patient_); }

// In turns of a batch a kind, so that no kind waits until another's are all deleted.
Async<void> Keeper::prune() {
  co_await count();
  const Settings& settings = platform_.settings;
  const Retention retention{.completed = static_cast<int>(settings.jobs_keep_completed),
                            .failed = static_cast<int>(settings.jobs_keep_failed),
                            .keep_for = std::chrono::days(settings.jobs_keep_days)};
  const Rows kinds = co_await platform_.database.query(kEndedKinds);
  for (bool more = true; more;) {
    more = false;
    for (const Row row : kinds) {
      const auto deleted = co_await platform_.jobs.prune(std::string(row.text("type")), retention, kPruneBatch);
      if (deleted > 0) log(Severity::info, "jobs_pruned", {{"kind", row.text("type")}, {"jobs", deleted}});
      more = more || deleted >= kPruneBatch;
    }
  }
}

Async<void> Keeper::make_months() { co_await platform_.database.query(kMakeMonths); }

Async<void> Keeper::measure_depths() {
  const std::vector<KindDepth> depths = co_await platform_.jobs.depths();
  for (auto& [kind, gauges] : gauges_) {  // a kind that is in `depths` no more
    for (const Gauge& each : {gauges.ready, gauges.processing, gauges.oldest}) each.set(0);
  }
  for (const KindDepth& depth : depths) {
    const std::string label = fmt::format("kind=\"{}\"", depth.kind);
    const auto [place, fresh] = gauges_.try_emplace(depth.kind);
    if (fresh) {
      place->second = {
          .ready = gauge("plugfleet_jobs_ready", label, "Jobs that could be claimed now."),
          .processing = gauge("plugfleet_jobs_processing", label, "Jobs that runners have claimed."),
          .oldest = gauge("plugfleet_jobs_oldest_seconds", label, "The age of the oldest job that could be claimed.")};
    }
    place->second.ready.set(depth.ready);
    place->second.processing.set(depth.processing);
    place->second.oldest.set(std::chrono::duration_cast<std::chrono::seconds>(depth.oldest).count());
  }
}

Async<void> Keeper::run_cron(const TimedWork* work) {
  const bool ran = co_await run_if_due(patient_, *work);
  if (ran && !work->kind.empty()) platform_.events.publish_enqueued({work->kind});
}

}  // namespace plugfleet
