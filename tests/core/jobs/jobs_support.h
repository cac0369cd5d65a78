// What the tests of the queue share: a kind of their own each, so that they may run beside each other on one database,
// and runners that are nothing but a pool of connections.
#pragma once

#include <algorithm>
#include <set>

#include "core/jobs/jobs.h"
#include "io/postgres_support.h"

namespace plugfleet::test {

// Long enough that no lease ends by itself in a test.
constexpr milliseconds kLongLease = 60s;

// Settings that name the servers, but where `set` has them.
inline std::map<std::string, std::string> real_servers(std::map<std::string, std::string> set = {}) {
  const std::string redis = conninfo("PLUGFLEET_TEST_REDIS");
  set.insert(
      {{"DATABASE_URL", conninfo("PLUGFLEET_TEST_DATABASE")}, {"REDIS_SOCKET", redis}, {"PAYLOADS_SOCKET", redis}});
  return set;
}

inline std::string fresh_kind() { return "test.k" + random_hex(8); }

struct Queue {
  explicit Queue(Reactor& reactor, milliseconds lease = kLongLease) : db(reactor, pooled()), jobs(db, lease) {}

  Async<void> declare(std::optional<int> at_once = {}) {
    co_await jobs.declare({{.name = kind, .concurrency_limit = at_once}});
  }

  NewJob job(std::string email = "a@example.com") const { return {.kind = kind, .user_email = std::move(email)}; }
  std::vector<NewJob> many(int count, const std::string& email = "a@example.com") const {
    std::vector<NewJob> made;
    for (int i = 0; i < count; ++i) made.push_back(job(email));
    return made;
  }
  Async<std::string> add(NewJob job) {
    const auto results = co_await jobs.enqueue({std::move(job)});
    CHECK_EQ(results.size(), 1u);
    co_return results[0].id;
  }
  Async<std::string> add() { return add(job()); }

  // By a runner that is named like the kind.
  Async<std::vector<ClaimedJob>> claim(int batch = 1) {
    return jobs.claim({.capacity = {{kind, batch}}, .batch = batch, .runner = kind});
  }
  // One that is there.
  Async<JobLease> take() {
    const auto claimed = co_await claim();
    CHECK_EQ(claimed.size(), 1u);
    co_return claimed[0].lease;
  }
  Async<std::optional<JobChange>> end(JobEnding ending) {
    auto changes = co_await jobs.finish({std::move(ending)});
    co_return changes.at(0);
  }
  Async<std::string> status(std::string id) {
    const auto view = co_await jobs.get(id);
    co_return std::string(view ? name_of(view->status) : "none");
  }
  // Reaps like a keeper, until the job's lease has been taken.
  Async<void> reap_until_not_processing(std::string id) {
    for (const auto deadline = Clock::now() + 8s;; co_await sleep_for(5ms)) {
      const auto reaped = co_await jobs.reap(1000);
      const std::string now = co_await status(id);
      if (now != "processing") co_return;
      if (Clock::now() > deadline) fail("it was never reaped");
    }
  }
  // The database's clock moves on for this job: its lease has run out, or it is due.
  Async<void> let_time_pass(std::string id) {
    co_await db.query(
        "update live_jobs set lease_until = lease_until - interval '1 day', run_at = run_at - interval '1 day' "
        "where id = $1",
        {id});
  }

  // What has ended so far counts as counted, and so may be deleted.
  Async<void> be_counted() {
    co_await db.query("update only jobs set recorded_at = recorded_at - interval '1 day' where type = $1", {kind});
    co_await db.query("select count_usage()");
  }

  const std::string kind = fresh_kind();
  Database db;
  Jobs jobs;
};

inline JobEnding done(JobLease lease) {
  return {.lease = std::move(lease), .outcome = JobOutcome::done, .result = "{}"};
}
inline JobEnding ending(JobLease lease, JobOutcome outcome) {
  return {.lease = std::move(lease), .outcome = outcome, .error_code = "provider_error", .error_message = "no luck"};
}

inline Async<std::int64_t> count_of(Database& db, std::string sql, Params params) {
  const Rows rows = co_await db.query(std::move(sql), std::move(params));
  co_return rows[0].integer(0);
}

// J1: where a kind's jobs are, and that none is in both places.
inline Async<void> check_places(Queue& queue) {
  const auto wrong = co_await count_of(
      queue.db,
      "select (select count(*) from live_jobs where type = $1 and status not in ('queued', 'processing')) + "
      "(select count(*) from only jobs where type = $1 and status in ('queued', 'processing')) + "
      "(select count(*) from live_jobs join only jobs using (id) where live_jobs.type = $1)",
      {queue.kind});
  CHECK_EQ(wrong, 0);
}

inline Async<void> until_one_waits_for_a_lock(Database& db, std::string part_of_its_query) {
  for (const auto deadline = Clock::now() + 5s;; co_await sleep_for(1ms)) {
    const auto waiting =
        co_await count_of(db, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like $1",
                          {"%" + part_of_its_query + "%"});
    if (waiting > 0) co_return;
    CHECK(Clock::now() < deadline);
  }
}

// Several runners, each with a pool of its own.
struct Fleet {
  Fleet(Reactor& reactor, int count, DatabaseOptions options = pooled(2)) {
    for (int i = 0; i < count; ++i) {
      databases.push_back(std::make_unique<Database>(reactor, options));
      jobs.push_back(std::make_unique<Jobs>(*databases.back(), kLongLease));
    }
  }
  std::vector<std::unique_ptr<Database>> databases;
  std::vector<std::unique_ptr<Jobs>> jobs;
};

inline NewJob keyed(const Queue& queue, std::string key, std::string digest) {
  NewJob job = queue.job();
  job.idempotency = {.scope = "user:1", .key = std::move(key), .digest = std::move(digest)};
  return job;
}

// Claims and ends jobs until there is none; notes what it ran and how many its kind had processing.
inline Async<void> run_all(Queue& queue, Jobs& jobs, int batch, std::multiset<std::string>& ran, int expected) {
  while (static_cast<int>(ran.size()) < expected) {
    const auto claimed = co_await jobs.claim({.capacity = {{queue.kind, batch}}, .batch = batch, .runner = "r"});
    if (claimed.empty()) {
      co_await sleep_for(2ms);
      continue;
    }
    std::vector<JobEnding> endings;
    for (const ClaimedJob& job : claimed) {
      ran.insert(job.lease.id);
      endings.push_back(done(job.lease));
    }
    const auto changes = co_await jobs.finish(endings);
    for (const auto& change : changes) CHECK(change && change->status == JobStatus::completed);
  }
}

}  // namespace plugfleet::test
