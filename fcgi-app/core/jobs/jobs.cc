// A job's way. live_jobs holds the first two states, jobs proper the other three.
//
//               enqueue()
//                   │
//                   ▼       claim()                      heartbeat(), progress(), cancel(): requested
//     ┌────────> queued ──────────────> processing ──┐
//     │           │  ▲                   │ │ │ │  ▲  │
//     │           │  └───────────────────┘ │ │ │  └──┘
//     │           │     finish(released)   │ │ │
//     │           │     finish(retry) and  │ │ └── finish(done) ─────────────────────────────────> completed
//     │           │     reap(), while      │ │
//     │           │     attempts are left  │ └──── finish(failed), finish(retry), reap() ────────> failed ─────┐
//     │           │                        └────── finish(cancelled); any of these once requested ─┐           │
//     │           └── cancel(): at_once ───────────────────────────────────────────────────────────┴> cancelled │
//     │                                                                                                 │       │
//     └─────────────────────────────────────────── retry() ─────────────────────────────────────────────┴───────┘
//
// What holds after every statement, whoever dies between them (the tests cite these numbers):
//
//  J1  A job is one row: queued or processing in live_jobs, ended in jobs proper. It moves in one statement.
//  J2  When enqueue() returns, its jobs are durable (with the caller's transaction, where that is given). When it
//      throws, all of them are there or none.
//  J3  Every claim has a token of its own. A runner's write names it, and changes a job only while that claim has it;
//      otherwise the runner is told that its lease is lost.
//  J4  A lease ends by the database's clock, and only reap() takes a job from who holds it. Where that clock is
//      set back a lease lasts no longer than a minute and a lease's time from then on.
//  J5  claim() counts the attempt; only finish(released), and reap() by J14, give it back. After max_attempts a job is
//      not claimed again, however its runners ended.
//  J6  Once cancel() has answered at_once or requested, the job ends cancelled: not completed, not failed, not tried
//      again. A finish() that came first makes it too_late, or finds the job queued again. The row's lock decides.
//  J7  A job ends once, and an ended row is never changed. retry() alone takes it back: an operator's new start.
//  J8  No more jobs of a kind are processing than its concurrency limit was when the last of them was claimed.
//  J9  When pause() has returned, no job of the kind is claimed until resume().
//  J10 Of one kind and priority, users are served in turn. Who has n jobs waiting and enqueues another has at most
//      n + 1 of each other user's before it, however many they have. (One user's jobs enqueued in the same moment, each
//      in a transaction of its own, may share a turn.)
//  J11 One idempotency key makes one job, for as long as that job is kept.
//  J12 A job's event_number goes up with every change a client can see, and never down. Events are not stored: the row
//      is the sum of them, and who has seen number n and reads it has missed nothing that still holds.
//  J13 What can't be claimed (not due, paused, locked, failing, at its kind's limit), and what is not late, holds up
//      nothing that can be claimed, or is late.
//  J14 Which of its jobs killed a runner, nobody knows: all become suspects. A runner starts a suspect only where the
//      one before has lived for 3 s, and when it dies with suspects, its other jobs have their attempts back. So a job
//      that kills whoever runs it within that time costs any other job one attempt at most, and fails for good after
//      its own. An attempt that ends otherwise clears its job. (Strictly one at a time would be safer, and after one
//      kill -9 of a runner with fifty jobs of 30 s the last would start 25 minutes later.)
//  J15 A job that has a price is there exactly where its hold is, and ends in the transaction that settles it
//      (migrations/functions/charge_ended_jobs.sql).
//
// Who locks what, so that nobody waits in a circle: claim() its kinds in order, and jobs that nobody holds (SKIP
// LOCKED); heartbeat() and reap() jobs that nobody holds; finish() jobs that its caller alone may end, or has put back;
// cancel() and progress() one job. Wallets are locked last.
#include "core/jobs/jobs.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/utf8.h"
#include "core/jobs/jobs_sql.h"
#include "core/usage.h"
#include "io/columns.h"

namespace plugfleet {
namespace {

constexpr auto kSweepEvery = 1s;
constexpr std::size_t kErrorMax = 2000;  // characters of a message or a stack that are kept
constexpr int kRaces = 10;               // how often to look again at a job that moves while it is looked at

std::int64_t fresh_token() { return static_cast<std::int64_t>(random_u64() >> 1); }

// ---- Enqueueing --------------------------------------------------------------------------------------------------

std::optional<std::string> digest_of(const NewJob& job) {
  if (!job.idempotency) return std::nullopt;
  return job.idempotency->digest;
}

Async<std::vector<EnqueueResult>> enqueue_on(Sql& sql, std::vector<NewJob> jobs) {
  std::vector<EnqueueResult> results;
  results.reserve(jobs.size());
  for (const NewJob& job : jobs) results.push_back({Enqueued::created, job.id});
  std::vector<std::size_t> places(jobs.size());  // in `results`, of what is still in `jobs`
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;

  // Again for a job that was refused for one that has been rolled back or deleted since.
  for (int round = 0; !jobs.empty(); ++round) {
    if (round == kRaces) throw Failure(FailureKind::unavailable, "The job could not be enqueued.");
    const Columns columns(jobs);
    const Rows created =
        co_await sql.query("select queue_jobs as id from " + columns.call("queue_jobs"), columns.params());
    if (created.size() == jobs.size()) break;
    std::vector<std::string_view> ids;
    for (const Row row : created) ids.push_back(row.text("id"));
    std::ranges::sort(ids);
    std::vector<NewJob> others;
    std::vector<std::size_t> their_places;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (std::ranges::binary_search(ids, jobs[i].id)) continue;
      others.push_back(std::move(jobs[i]));
      their_places.push_back(places[i]);
    }
    const Params sought(column(others, [](const NewJob& j) { return j.id; }),
                        column(others, [](const NewJob& j) { return j.scoped_key(); }), column(others, digest_of));
    const Rows found = co_await sql.query(jobs_sql::kFindEnqueued, sought);
    std::vector<bool> known(others.size());
    for (const Row row : found) {
      const auto i = static_cast<std::size_t>(row.integer("place") - 1);
      results[their_places[i]] = {row.boolean("conflict") ? Enqueued::conflict : Enqueued::existing,
                                  std::string(row.text("id"))};
      known[i] = true;
    }
    jobs.clear();
    places.clear();
    for (std::size_t i = 0; i < others.size(); ++i) {
      if (known[i]) continue;
      jobs.push_back(std::move(others[i]));
      places.push_back(their_places[i]);
    }
  }
  co_return results;
}

constexpr std::string_view kTooFewCredits = "23402";  // as hold_for_job() refuses

// Those that have a price, each with its hold or not at all. They are told from others by what queue_jobs() does not take.
Async<std::vector<EnqueueResult>> enqueue_priced_on(Transaction& transaction, std::vector<NewJob> jobs) {
  const auto results = co_await enqueue_on(transaction, jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!jobs[i].price || results[i].what != Enqueued::created) continue;
    try {
      co_await transaction.query(jobs_sql::kHold, {jobs[i].id, jobs[i].team, write_fields(*jobs[i].price).dump()});
    } catch (const SqlError& error) {
      if (error.sqlstate() != kTooFewCredits) throw;
      throw Failure(FailureKind::insufficient_credits, error.primary());
    }
  }
  co_return results;
}

}  // namespace

std::optional<std::string> NewJob::scoped_key() const {
  if (!idempotency) return std::nullopt;
  return idempotency->scope + ' ' + idempotency->key;
}

std::string storable(const std::string& text) {
  std::string repaired = utf8_repaired(text);
  std::erase(repaired, '\0');
  return std::string(utf8_prefix(repaired, kErrorMax));
}

Async<void> Jobs::declare(std::vector<JobKind> kinds) {
  const Columns columns(kinds);
  co_await database_.query("select " + columns.call("declare_job_kinds"), columns.params());
}

Async<std::vector<EnqueueResult>> Jobs::enqueue(std::vector<NewJob> jobs) {
  if (std::ranges::none_of(jobs, [](const NewJob& job) { return job.price.has_value(); })) {
    auto results = co_await enqueue_on(database_, std::move(jobs));
    co_return results;
  }
  Transaction transaction = co_await database_.begin();
  auto results = co_await enqueue_priced_on(transaction, std::move(jobs));
  co_await transaction.commit();
  co_return results;
}

Async<std::vector<EnqueueResult>> Jobs::enqueue(Transaction& transaction, std::vector<NewJob> jobs) {
  return enqueue_priced_on(transaction, std::move(jobs));
}

// ---- Running -----------------------------------------------------------------------------------------------------

Async<std::vector<ClaimedJob>> Jobs::claim(ClaimRequest request) {
  std::erase_if(doubtful_, [](const Doubtful& claim) { return claim.until < Clock::now(); });
  if (!doubtful_.empty()) {
    const auto tokens = column(doubtful_, [](const Doubtful& claim) { return claim.token; });
    auto claimed =
        co_await database_.all<ClaimedJob>(std::string(jobs_sql::kClaimed) + jobs_sql::kByClaimsBefore, tokens);
    std::erase_if(doubtful_, [&](const Doubtful& claim) {
      return std::ranges::any_of(claimed, [&](const ClaimedJob& job) { return job.lease.token == claim.token; });
    });
    if (!claimed.empty()) co_return claimed;
  }
  std::vector<std::string> kinds;
  std::vector<int> capacities;
  for (const auto& [kind, capacity] : request.capacity) {  // in order
    kinds.push_back(kind);
    capacities.push_back(capacity);
  }
  if (kinds.empty()) co_return std::vector<ClaimedJob>{};
  const std::int64_t token = fresh_token();
  const auto now = Clock::now();
  const bool sweep = request.sweep && now - swept_ >= kSweepEvery;
  if (sweep) swept_ = now;
  const Params params(kinds, capacities, request.batch, token, request.runner, lease_.count(), sweep);
  try {
    auto claimed = co_await database_.all<ClaimedJob>(std::string(jobs_sql::kClaimed) + jobs_sql::kByThisClaim, params);
    co_return claimed;
  } catch (...) {
    doubtful_.push_back({token, Clock::now() + lease_});
    throw;
  }
}

Async<std::vector<LeaseState>> Jobs::heartbeat(std::vector<JobLease> leases) {
  const Params params(column(leases, [](const JobLease& l) { return l.id; }),
                      column(leases, [](const JobLease& l) { return l.token; }), lease_.count());
  const Rows rows = co_await database_.query(jobs_sql::kHeartbeat, params);
  std::vector<LeaseState> states;
  for (const Row row : rows) {
    states.push_back(row.boolean("lost")               ? LeaseState::lost
                     : row.boolean("cancel_requested") ? LeaseState::cancel_requested
                                                       : LeaseState::held);
  }
  co_return states;
}

Async<std::optional<JobChange>> Jobs::progress(JobLease lease, int percent, std::string message) {
  return database_.maybe<JobChange>(jobs_sql::kProgress, lease.id, lease.token, std::clamp(percent, 0, 100),
                                    storable(message));
}

// ---- Ending ------------------------------------------------------------------------------------------------------

namespace {

struct Settled {
  JobChange change;
  std::int64_t lease_token = 0;
  void fields(auto& f) {
    change.fields(f);
    f("lease_token", lease_token);
  }
};

// Puts what `rows` tell where its ending is.
void place(const Rows& rows, const std::vector<JobEnding>& endings, std::vector<std::optional<JobChange>>& changes) {
  std::map<std::pair<std::string_view, std::int64_t>, std::size_t> places;
  for (std::size_t i = 0; i < endings.size(); ++i) {
    places.emplace(std::pair(std::string_view(endings[i].lease.id), endings[i].lease.token), i);
  }
  for (auto& [change, token] : rows.all<Settled>()) changes[places.at({change.id, token})] = std::move(change);
}

// Those that wait again, and why.
std::vector<JobEnding> put_back(const std::vector<JobEnding>& endings,
                                const std::vector<std::optional<JobChange>>& changes) {
  std::vector<JobEnding> waiting;
  for (std::size_t i = 0; i < endings.size(); ++i) {
    if (changes[i] && changes[i]->status == JobStatus::queued && !endings[i].error_message.empty())
      waiting.push_back(endings[i]);
  }
  return waiting;
}

}  // namespace

Async<std::vector<std::optional<JobChange>>> Jobs::settle(std::vector<JobEnding> endings) {
  std::vector<std::optional<JobChange>> changes(endings.size());
  const Columns columns(endings);
  const Rows rows = co_await database_.query("select * from " + columns.call("finish_jobs"), columns.params());
  place(rows, endings, changes);
  if (rows.size() < endings.size()) {
    std::vector<JobLease> missing;
    for (std::size_t i = 0; i < endings.size(); ++i) {
      if (!changes[i]) missing.push_back(endings[i].lease);
    }
    const Params sought(column(missing, [](const JobLease& l) { return l.id; }),
                        column(missing, [](const JobLease& l) { return l.token; }));
    const Rows before = co_await database_.query(jobs_sql::kFinishedBefore, sought);
    place(before, endings, changes);
  }

  const std::vector<JobEnding> waiting = put_back(endings, changes);
  if (!waiting.empty()) {
    const Params whys(column(waiting, [](const JobEnding& e) { return e.lease.id; }),
                      column(waiting, [](const JobEnding& e) { return e.lease.token; }),
                      column(waiting, [](const JobEnding& e) { return storable(e.error_message); }));
    const Rows told = co_await database_.query(jobs_sql::kSayWhy, whys);
    place(told, endings, changes);
  }
  co_return changes;
}

Async<std::vector<std::optional<JobChange>>> Jobs::finish(std::vector<JobEnding> endings) {
  std::vector<std::optional<JobChange>> changes;
  bool refused = false;
  try {
    changes = co_await settle(endings);
  } catch (const Failure& failure) {
    const auto* const error = dynamic_cast<const SqlError*>(&failure);
    const bool data_is_wrong =
        failure.kind() == FailureKind::unprocessable || (error && error->fault() == SqlFault::data);
    if (!data_is_wrong) throw;
    refused = true;
  }
  if (!refused) co_return changes;

  // One result is at fault: the others are settled one by one.
  if (endings.size() == 1) {
    JobEnding& ending = endings.front();
    log(Severity::error, "job_result_refused", {{"job", ending.lease.id}});
    ending = {.lease = ending.lease,
              .outcome = JobOutcome::failed,
              .error_code = code_of(FailureKind::internal),
              .error_message = "Its result can't be stored.",
              .usage = ending.usage};
    changes = co_await settle(std::move(endings));
    co_return changes;
  }
  for (JobEnding& ending : endings) {
    auto one = co_await finish({std::move(ending)});
    changes.push_back(std::move(one.front()));
  }
  co_return changes;
}

Async<std::vector<JobChange>> Jobs::reap(int batch) {
  return database_.all<JobChange>(jobs_sql::kReap, batch, lease_.count(), code_of(FailureKind::internal));
}

Async<CancelResult> Jobs::cancel(std::string id) {
  for (int round = 0; round < kRaces; ++round) {
    const auto ended = co_await database_.maybe<JobChange>(jobs_sql::kCancelQueued, id);
    if (ended) co_return CancelResult{Cancelled::at_once, ended};
    const auto requested = co_await database_.maybe<JobChange>(jobs_sql::kRequestCancel, id);
    if (requested) co_return CancelResult{Cancelled::requested, requested};
    const auto has_ended = co_await database_.maybe<bool>(jobs_sql::kFind, id);
    if (!has_ended) co_return CancelResult{Cancelled::unknown, std::nullopt};
    if (*has_ended) co_return CancelResult{Cancelled::too_late, std::nullopt};
  }
  throw Failure(FailureKind::unavailable, "The job keeps changing.");
}

// ---- For clients and operators -----------------------------------------------------------------------------------

Async<bool> Jobs::retry(std::string id) { return database_.one<bool>(jobs_sql::kRetry, id); }

Async<std::vector<JobView>> Jobs::get_many(std::vector<std::string> ids) {
  return database_.all<JobView>(std::string(jobs_sql::kView) + jobs_sql::kTheseIds, ids);
}

Async<std::optional<JobView>> Jobs::get(std::string id) {
  return database_.maybe<JobView>(std::string(jobs_sql::kView) + jobs_sql::kThisId, id);
}

Async<std::vector<JobView>> Jobs::newest(std::optional<std::string> kind, std::optional<JobStatus> status, int limit) {
  const auto name = status ? std::optional(name_of(*status)) : std::nullopt;
  return database_.all<JobView>(std::string(jobs_sql::kView) + jobs_sql::kTheNewest, kind, name, limit);
}

Async<std::vector<std::string>> Jobs::waiting_bodies(std::string after_id, int limit, std::chrono::seconds bound) {
  return database_.all<std::string>(jobs_sql::kWaitingBodies, after_id, limit, bound.count());
}

Async<void> Jobs::pause(std::string kind) { co_await database_.query(jobs_sql::kPause, {kind, true}); }
Async<void> Jobs::resume(std::string kind) { co_await database_.query(jobs_sql::kPause, {kind, false}); }

Async<std::vector<KindDepth>> Jobs::depths() { return database_.all<KindDepth>(jobs_sql::kDepths); }

Async<std::int64_t> Jobs::prune(std::string kind, Retention retention, int batch) {
  return database_.one<std::int64_t>(jobs_sql::kPrune, kind, retention.completed, retention.failed,
                                     retention.keep_for.count(), batch);
}

}  // namespace plugfleet
