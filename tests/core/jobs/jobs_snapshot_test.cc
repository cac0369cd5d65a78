// Transactions that stay open while the queue moves on: what they enqueued is found, and claims cost no more for them.
// "J13" and the like are of the list at the head of core/jobs/jobs.cc.
#include <climits>

#include "core/jobs/jobs.h"
#include "core/jobs/jobs_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

// Claims one by one until claims begin their search past `turn`.
Async<void> serve_until_passed(Queue& queue, int turn) {
  for (const auto deadline = Clock::now() + 8s;; co_await sleep_for(5ms)) {
    const auto passed = co_await count_of(
        queue.db, "select passed[2] from job_turns where kind = $1 order by number desc limit 1", {queue.kind});
    if (passed >= turn) co_return;
    CHECK(Clock::now() < deadline);
    const auto claimed = co_await queue.claim();
    CHECK_EQ(claimed.size(), 1u);
  }
}

}  // namespace

// J10, J13: a job whose transaction stayed open while many turns were served is found within a second or so.
ASYNC_TEST(a_job_committed_late_is_found) {
  Queue queue(reactor);
  co_await queue.declare();
  Transaction slow = co_await queue.db.begin();
  const auto results = co_await Jobs::enqueue(slow, queue.many(1, "slow@example.com"));
  co_await queue.jobs.enqueue(queue.many(3000));
  co_await queue.claim(10);
  co_await serve_until_passed(queue, 2);
  co_await slow.commit();
  for (const auto deadline = Clock::now() + 5s;; co_await sleep_for(20ms)) {
    const auto claimed = co_await queue.claim(1);
    CHECK_EQ(claimed.size(), 1u);
    if (claimed[0].lease.id == results[0].id) break;
    CHECK(Clock::now() < deadline);
  }
}

// J10, J13: one whose transaction was not much slower than others is found by the next claim, which does not sweep.
ASYNC_TEST(a_job_committed_a_moment_late_is_found_at_once) {
  Queue queue(reactor);
  co_await queue.declare();
  Transaction slow = co_await queue.db.begin();
  const auto results = co_await Jobs::enqueue(slow, queue.many(1, "slow@example.com"));
  co_await queue.jobs.enqueue(queue.many(4));
  const auto before = co_await queue.claim(3);
  CHECK_EQ(before.size(), 3u);
  co_await slow.commit();
  const auto claimed = co_await queue.claim(1);
  CHECK_EQ(claimed.size(), 1u);
  CHECK_EQ(claimed[0].lease.id, results[0].id);
}

namespace {

// The pages that a claim of one job looks at. The fewest of several: PostgreSQL now and then plans anew, which looks at
// some of its catalogs.
Async<int> pages_of_a_claim(Queue& queue, Database& backend, bool sweep) {
  int fewest = 0;
  for (int i = 0; i < 10; ++i) {
    const Rows plan =
        co_await backend.query(fmt::format("explain (analyze, buffers, costs off, timing off, summary off) "
                                           "select * from claim_jobs('{{{}}}', '{{1}}', 1, 1, 'r', '1 min', {})",
                                           queue.kind, sweep));
    CHECK_CONTAINS(std::string(plan[0].text(0)), "rows=1 ");
    const std::string buffers(plan[1].text(0));
    CHECK_CONTAINS(buffers, "shared hit=");
    const int pages = std::stoi(buffers.substr(buffers.find("hit=") + 4));
    if (i == 0 || pages < fewest) fewest = pages;
  }
  co_return fewest;
}

}  // namespace

// J13: a long report or a backup keeps every row that was ever in the line; claims do not look at them.
ASYNC_TEST(an_old_snapshot_does_not_slow_the_queue_down) {
  Queue queue(reactor);
  co_await queue.declare();
  Database analyst(reactor, pooled(1)), backend(reactor, direct(1));
  Transaction report = co_await analyst.begin();
  co_await report.query("set transaction isolation level repeatable read");
  co_await report.query("select count(*) from jobs");
  std::multiset<std::string> ran;
  for (int i = 1; i <= 4; ++i) {
    co_await queue.jobs.enqueue(queue.many(1000));
    co_await run_all(queue, queue.jobs, 500, ran, 1000 * i);
  }
  co_await queue.jobs.enqueue(queue.many(1000));
  co_await serve_until_passed(queue, 4000);
  // From here on nothing but the claims themselves changes where they begin.
  co_await queue.db.query(
      "update job_turns set swept_at = now() + interval '1 hour', marked_at = now() + interval '1 hour' where kind = "
      "$1",
      {queue.kind});
  const int pages = co_await pages_of_a_claim(queue, backend, true);
  const int pages_without_sweep = co_await pages_of_a_claim(queue, backend, false);
  co_await queue.db.query("update job_turns set passed = '{0,0,0}' where kind = $1", {queue.kind});
  const int pages_from_the_start = co_await pages_of_a_claim(queue, backend, true);
  if (pages_from_the_start <= 2 * std::max(pages, pages_without_sweep))
    fail(fmt::format("{} and {} pages, and {} from the start", pages, pages_without_sweep, pages_from_the_start));
  co_await report.commit();
}

namespace {

Async<void> run_one_by_one(Queue& queue, int count) {
  for (int i = 0; i < count; ++i) {
    co_await queue.add();
    const JobLease lease = co_await queue.take();
    co_await queue.end(done(lease));
  }
}

// Of a claim that also sweeps.
Async<int> pages_of_a_sweep(Queue& queue, Database& backend) {
  int fewest = INT_MAX;
  for (int i = 0; i < 5; ++i) {
    co_await queue.db.query("update job_turns set swept_at = '-infinity' where kind = $1", {queue.kind});
    const Rows plan =
        co_await backend.query(fmt::format("explain (analyze, buffers, costs off, timing off, summary off) "
                                           "select * from claim_jobs('{{{}}}', '{{1}}', 1, 1, 'r', '1 min')",
                                           queue.kind));
    const std::string buffers(plan[1].text(0));
    fewest = std::min(fewest, std::stoi(buffers.substr(buffers.find("hit=") + 4)));
  }
  co_return fewest;
}

}  // namespace

// J13: nor do a thousand claims, one after another, make the next one dearer; also where the kind's processing ones are
// counted, and where a claim looks for what was committed late.
ASYNC_TEST(claims_beside_an_old_snapshot_read_no_more_pages_as_time_goes_on) {
  Queue queue(reactor);
  co_await queue.declare(1000);
  Database analyst(reactor, pooled(1)), backend(reactor, direct(1));
  co_await run_one_by_one(queue, 20);
  Transaction report = co_await analyst.begin();
  co_await report.query("set transaction isolation level repeatable read");
  co_await report.query("select count(*) from jobs");
  co_await queue.jobs.enqueue(queue.many(15));
  const int at_first = co_await pages_of_a_sweep(queue, backend);
  co_await queue.db.query("delete from live_jobs where type = $1", {queue.kind});
  co_await run_one_by_one(queue, 1000);
  for (int i = 0; i < 4; ++i) {  // the turns served become settled
    co_await queue.db.query("update job_turns set swept_at = '-infinity' where kind = $1", {queue.kind});
    Jobs sweeper(queue.db, kLongLease);
    co_await queue.add();
    co_await sweeper.claim({.capacity = {{queue.kind, 1}}, .batch = 1, .runner = queue.kind});
  }
  co_await queue.jobs.enqueue(queue.many(15));
  const int later = co_await pages_of_a_sweep(queue, backend);
  co_await report.commit();
  if (later > 2 * at_first + 20) fail(fmt::format("{} pages at first, {} after a thousand claims", at_first, later));
}
