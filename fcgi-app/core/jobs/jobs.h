// Durable jobs: a queue in PostgreSQL. A runner claims jobs under a lease, renews it while it works, and ends them; who
// lets a lease run out loses its jobs to others, and every later write of its own changes nothing.
//
//   co_await jobs.enqueue({{.kind = "pdf.render", .payload = "{}", .user_email = email}});
//   for (ClaimedJob& job : co_await jobs.claim({.capacity = {{"pdf.render", 8}}, .batch = 8, .runner = name})) ...
//   co_await jobs.heartbeat(leases);                                          // every few seconds
//   co_await jobs.finish({{.lease = job.lease, .outcome = JobOutcome::done, .result = "{}"}});
//
// All time is the database's. Nothing here runs by itself, or wakes a runner: whoever starts things (a runner, the
// keeper) calls these. Invariants and states: core/jobs/jobs.cc. Every call throws as Database::query does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "core/jobs/job_status.h"
#include "core/usage.h"
#include "io/postgres.h"
#include "wire/json.h"

namespace plugfleet {

// Jobs of a kind with a higher one all go before those with a lower one. The numbers are the table's.
enum class JobPriority { high = 1, normal = 2, low = 3 };

// What the modules declare. A kind that nobody has declared is enqueued but never claimed.
struct JobKind {
  std::string name;                       // the jobs' type
  std::optional<int> concurrency_limit;   // jobs of it that may be processing in the whole fleet; none: any number
  int attempts = 3;                       // of a job that does not say
  std::vector<std::string> columns = {};  // which of its facts are columns of the table jobs
  void fields(auto& f) const {
    f("kind", name);
    f("concurrency_limit", concurrency_limit);
    f("attempts", attempts);
    f("columns", fmt::format("{}", fmt::join(columns, ",")));
  }
};

// As PostgreSQL takes an object of facts: null where there is none.
inline std::optional<std::string> text_of_facts(const Json& facts) {
  return facts.is_null() ? std::nullopt : std::optional(facts.dump());
}

// The same key with the same digest is the same request.
struct IdempotencyKey {
  std::string scope;  // whose key it is: a user, a client; with what was asked of
  std::string key;
  std::string digest;
};

// What a job costs its team, in credits. The most is set aside when it is enqueued, with the job and in its transaction;
// when it is completed it costs what its AI calls have used, retries and hedges too, rounded up and never more than that;
// without rates it costs the most. One that fails or is cancelled costs nothing. Who keeps credits:
// migrations/functions/charge_ended_jobs.sql.
struct JobPrice {
  std::int64_t most = 0;
  std::int64_t per_usd = 0;          // of what those calls cost
  std::int64_t per_1000_tokens = 0;  // in and out
  void fields(auto& f) {
    f("most", most);
    f("per_usd", per_usd);
    f("per_1000_tokens", per_1000_tokens);
  }
};

struct NewJob {
  std::string id = uuid_v4();  // whoever holds it may read an anonymous user's job: random
  std::string kind;
  std::string payload = "null";  // JSON, never an image
  std::string user_email;
  std::optional<std::string> user_id;  // as the request said it
  std::optional<std::string> owner;    // the user a token proved: the only one who may see the job then
  std::optional<std::string> ip_address;
  Json facts;  // an object, for those who query the jobs: core/job.h, JobHandler::columns. Never an image
  std::string trace_id;
  bool has_body = false;  // a body is kept for it in the payload Redis (core/jobs/body_store.h)
  JobPriority priority = JobPriority::normal;
  milliseconds delay{0};
  std::optional<int> max_attempts;  // none: as its kind declares
  std::optional<IdempotencyKey> idempotency;
  std::optional<std::string> team;    // teams.id: whose usage it is, and whose credits pay where it has a price
  std::optional<std::string> plugin;  // the slug of the one that asked for it (Call says it)
  std::optional<JobPrice> price;      // its kind's: JobIntake says it
  // What queue_jobs takes.
  void fields(auto& f) const {
    f("id", id);
    f("kind", kind);
    f("payload", payload);
    f("user_email", user_email);
    f("user_id", user_id);
    f("owner", owner);
    f("ip_address", ip_address);
    f("facts", text_of_facts(facts));
    f("trace_id", trace_id);
    f("has_body", has_body);
    f("priority", static_cast<int>(priority));
    f("delay_ms", delay.count());
    f("max_attempts", max_attempts);
    f("key", scoped_key());
    f("digest", idempotency ? std::optional(idempotency->digest) : std::nullopt);
    f("team_id", team);
    f("plugin", plugin);
  }
  std::optional<std::string> scoped_key() const;
};

enum class Enqueued {
  created,
  existing,  // the same key and digest, or the same id, came before
  conflict,  // the same key came before with another digest
};
struct EnqueueResult {
  Enqueued what;
  std::string id;  // the job's; of the earlier one where it is not created
};

// A claim's title to a job. Every write of whoever runs it names both.
struct JobLease {
  std::string id;
  std::int64_t token = 0;
};

struct ClaimedJob {
  JobLease lease;
  std::string kind, payload, user_email;
  std::optional<std::string> user_id;
  std::string trace_id;
  bool has_body;
  int attempt, max_attempts;
  int losses;  // how many processes in a row died while they ran it, as far as that is known; above 0: a suspect (J14)
  int event_number;
  milliseconds age{0};  // since it was enqueued
  void fields(auto& f) {
    f("id", lease.id);
    f("lease_token", lease.token);
    f("type", kind);
    f("payload", payload);
    f("user_email", user_email);
    f("user_id", user_id);
    f("trace_id", trace_id);
    f("has_body", has_body);
    f("attempt", attempt);
    f("max_attempts", max_attempts);
    f("losses", losses);
    f("event_number", event_number);
    f("age_ms", age);
  }
};

struct ClaimRequest {
  std::map<std::string, int> capacity;  // of the caller: of each kind that it can run, how many more it can take
  int batch = 100;                      // in all
  bool sweep = true;                    // may look for turns long passed as well, which it does once a second
  std::string runner;  // its name: this process's, and no other's before or after (reap() judges by it)
};

enum class LeaseState { held, cancel_requested, lost };

// What a handler says of an error may be anything; PostgreSQL stores valid UTF-8 without U+0000, and so much of it.
std::string storable(const std::string& text);

struct JobEnding {
  JobLease lease;
  JobOutcome outcome;
  std::optional<std::string> result;  // JSON, never an image
  bool result_apart = false;          // the whole result, with images, is in the payload Redis for its time
  Json facts;                         // added to the job's own where it ends
  std::string error_code, error_message, error_stack;  // the message also tells who watches why a job waits again
  std::optional<milliseconds> wait;                    // before it may be claimed again; with released too
  Usage usage{};                                       // of this attempt: added to what those before it used
  // What finish_jobs takes.
  void fields(auto& f) const {
    f("job_id", lease.id);
    f("token", lease.token);
    f("outcome", outcome);
    f("result", result);
    f("result_apart", result_apart);
    f("facts", text_of_facts(facts));
    f("error_code", storable(error_code));
    f("error_message", storable(error_message));
    f("error_stack", storable(error_stack));
    f("wait_ms", wait ? std::optional(static_cast<std::int64_t>(wait->count())) : std::nullopt);
    bounded(usage).fields(f);
  }
};

// What a write made of a job: what a stream is told.
struct JobChange {
  std::string id, kind;
  JobStatus status = JobStatus::queued;
  int event_number = 0;
  void fields(auto& f) {
    f("id", id);
    f("type", kind);
    f("status", status);
    f("event_number", event_number);
  }
};

enum class Cancelled {
  at_once,    // it was queued, and has ended
  requested,  // it is processing: its runner learns so by its next heartbeat
  too_late,   // it had ended
  unknown,
};
struct CancelResult {
  Cancelled what;
  std::optional<JobChange> change;  // none where nothing changed
};

struct JobView {
  std::string id, kind;
  JobStatus status = JobStatus::queued;
  int progress;
  std::string progress_message;
  int attempt, max_attempts;
  std::string created_at;  // RFC 3339 in UTC
  std::optional<std::string> started_at, completed_at;
  std::optional<std::int64_t> duration_ms;
  std::optional<std::string> result;  // JSON
  bool result_apart;
  std::string error_code, error_message, error_stack;
  std::string attempt_errors;  // JSON: [{"attempt", "at", "code", "message"}]
  std::string user_email;
  std::optional<std::string> user_id, owner, team, plugin;
  bool cancel_requested;
  int event_number;
  void fields(auto& f) {
    f("id", id);
    f("type", kind);
    f("status", status);
    f("progress", progress);
    f("progress_message", progress_message);
    f("attempt", attempt);
    f("max_attempts", max_attempts);
    f("created_at", created_at);
    f("started_at", started_at);
    f("completed_at", completed_at);
    f("duration_ms", duration_ms);
    f("result", result);
    f("result_apart", result_apart);
    f("error_code", error_code);
    f("error_message", error_message);
    f("error_stack", error_stack);
    f("attempt_errors", attempt_errors);
    f("user_email", user_email);
    f("user_id", user_id);
    f("owner", owner);
    f("team", team);
    f("plugin", plugin);
    f("cancel_requested", cancel_requested);
    f("event_number", event_number);
  }
};

struct KindDepth {
  std::string kind;
  bool paused;
  std::optional<int> concurrency_limit;
  std::int64_t ready, to_come, processing;
  milliseconds oldest;  // how long the oldest of the ready ones has existed
  void fields(auto& f) {
    f("kind", kind);
    f("paused", paused);
    f("at_once", concurrency_limit);
    f("ready", ready);
    f("to_come", to_come);
    f("processing", processing);
    f("oldest_ms", oldest);
  }
};

// An ended job goes when it is older than `keep_for` and not among the newest of its kind.
struct Retention {
  int completed = 100, failed = 50;  // cancelled ones count by themselves, as many as failed ones
  std::chrono::seconds keep_for{0};
};

class Jobs {
 public:
  // `database` outlives every call.
  explicit Jobs(Database& database, milliseconds lease = 15s) : database_(database), lease_(lease) {}

  // Adds them or sets what they say; pauses stay.
  Async<void> declare(std::vector<JobKind> kinds);

  // All or none, durable when it returns; results in the order given. Where it throws Failure(unavailable) nobody
  // knows: the same jobs (the same ids) may be enqueued again. A job that PostgreSQL can't store is a SqlError of
  // class 22; a team that has too few credits for its job's price a Failure(insufficient_credits).
  Async<std::vector<EnqueueResult>> enqueue(std::vector<NewJob> jobs);
  // The same as part of the caller's transaction, which outlives the call.
  static Async<std::vector<EnqueueResult>> enqueue(Transaction& transaction, std::vector<NewJob> jobs);

  // The first by priority and turn, in no order among them. Empty: there is nothing for this caller now. After a
  // failure the next call gives what the failed one took, should it have taken any: it may be repeated, with no less
  // room.
  Async<std::vector<ClaimedJob>> claim(ClaimRequest request);

  // Extends the leases; tells, in the order given, what became of each.
  Async<std::vector<LeaseState>> heartbeat(std::vector<JobLease> leases);

  // None: the lease is lost. 0 to 100 percent.
  Async<std::optional<JobChange>> progress(JobLease lease, int percent, std::string message);

  // In the order given; none: the lease was lost, nothing changed. After a Failure(unavailable) it may be repeated:
  // what the first try did is told again. A result that PostgreSQL can't store makes its job fail, and no other.
  Async<std::vector<std::optional<JobChange>>> finish(std::vector<JobEnding> endings);

  // Takes up to `batch` jobs from runners whose leases have run out. Among them a runner's name tells who died: it must
  // be a process's own, and another when that starts anew.
  Async<std::vector<JobChange>> reap(int batch);

  Async<CancelResult> cancel(std::string id);
  // A failed or cancelled job starts anew, with all its attempts; false where it is neither.
  Async<bool> retry(std::string id);

  Async<std::optional<JobView>> get(std::string id);
  // Of those that exist, in no order.
  Async<std::vector<JobView>> get_many(std::vector<std::string> ids);
  // The newest ones come first; all kinds, all statuses where none is given.
  Async<std::vector<JobView>> newest(std::optional<std::string> kind, std::optional<JobStatus> status, int limit);
  // Jobs that have not ended, were enqueued with a body, and are younger than `bound`. By id, from the one after
  // `after_id` (empty: the first).
  Async<std::vector<std::string>> waiting_bodies(std::string after_id, int limit, std::chrono::seconds bound);

  // When pause() has returned no job of the kind is claimed any more; those that are processing go on.
  Async<void> pause(std::string kind);
  Async<void> resume(std::string kind);
  Async<std::vector<KindDepth>> depths();

  // Deletes up to `batch` ended jobs of the kind, the oldest first, and their idempotency keys. How many it deleted.
  Async<std::int64_t> prune(std::string kind, Retention retention, int batch);

 private:
  Async<std::vector<std::optional<JobChange>>> settle(std::vector<JobEnding> endings);

  // A claim whose answer never came: until then it may turn out to have taken jobs.
  struct Doubtful {
    std::int64_t token;
    Clock::time_point until;
  };

  Database& database_;
  const milliseconds lease_;
  std::vector<Doubtful> doubtful_;
  Clock::time_point swept_{};  // when a claim last looked for turns long passed
};

}  // namespace plugfleet
