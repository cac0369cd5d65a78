// The queue against real PostgreSQL, through PgBouncer: what operators and the keeper do. "J7" and the like are of the
// list at the head of core/jobs/jobs.cc.
#include "core/jobs/jobs_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

// J7, J12
ASYNC_TEST(an_operator_starts_a_failed_job_anew) {
  Queue queue(reactor);
  co_await queue.declare();
  const std::string id = co_await queue.add();
  JobLease lease = co_await queue.take();
  auto retried = co_await queue.jobs.retry(id);
  CHECK(!retried);
  const auto failed = co_await queue.end(ending(lease, JobOutcome::failed));
  retried = co_await queue.jobs.retry(id);
  CHECK(retried);
  auto change = co_await queue.end(done(lease));  // by the runner of before
  CHECK(!change);
  const auto claimed = co_await queue.claim();
  CHECK_EQ(claimed.size(), 1u);
  CHECK_EQ(claimed[0].attempt, 1);
  CHECK(claimed[0].event_number > failed->event_number);
  change = co_await queue.end(done(claimed[0].lease));
  CHECK_EQ(change->status, JobStatus::completed);
  retried = co_await queue.jobs.retry(id);
  CHECK(!retried);
  co_await check_places(queue);
}

// J9, J13
ASYNC_TEST(a_paused_kind_is_not_claimed_and_holds_up_no_other) {
  Queue queue(reactor), other(reactor);
  co_await queue.jobs.declare({{.name = queue.kind}, {.name = other.kind}});
  co_await queue.jobs.enqueue(queue.many(5));
  co_await other.jobs.enqueue(other.many(1));
  const JobLease running = co_await queue.take();
  co_await queue.jobs.pause(queue.kind);
  const auto claimed =
      co_await queue.jobs.claim({.capacity = {{queue.kind, 5}, {other.kind, 5}}, .batch = 5, .runner = "r"});
  CHECK_EQ(claimed.size(), 1u);
  CHECK_EQ(claimed[0].kind, other.kind);
  const auto ended = co_await queue.end(done(running));
  CHECK_EQ(ended->status, JobStatus::completed);
  co_await queue.declare();
  const auto depths = co_await queue.jobs.depths();
  const auto depth = std::ranges::find(depths, queue.kind, &KindDepth::kind);
  CHECK(depth != depths.end() && depth->paused && depth->ready == 4);
  co_await queue.jobs.resume(queue.kind);
  const auto more = co_await queue.claim(5);
  CHECK_EQ(more.size(), 4u);
}

ASYNC_TEST(depths_tell_what_waits) {
  Queue queue(reactor);
  co_await queue.declare(7);
  auto jobs = queue.many(6);
  jobs[0].delay = 1h;
  co_await queue.jobs.enqueue(jobs);
  co_await queue.claim(2);
  const auto depths = co_await queue.jobs.depths();
  const auto depth = std::ranges::find(depths, queue.kind, &KindDepth::kind);
  CHECK(depth != depths.end());
  CHECK_EQ(depth->ready, 3);
  CHECK_EQ(depth->to_come, 1);
  CHECK_EQ(depth->processing, 2);
  CHECK_EQ(*depth->concurrency_limit, 7);
  CHECK(depth->oldest >= 0ms && depth->oldest < 60s);
}

ASYNC_TEST(the_newest_ended_jobs_are_kept) {
  Queue queue(reactor), other(reactor);
  co_await queue.jobs.declare({{.name = queue.kind}, {.name = other.kind}});
  co_await queue.jobs.enqueue(queue.many(30));  // all of one moment
  const std::string key = random_hex(8);
  co_await queue.add(keyed(queue, key, "d"));
  co_await other.jobs.enqueue(other.many(5));
  const auto claimed =
      co_await queue.jobs.claim({.capacity = {{queue.kind, 25}, {other.kind, 5}}, .batch = 50, .runner = "r"});
  std::vector<JobEnding> endings;
  for (std::size_t i = 0; i < claimed.size(); ++i) {
    endings.push_back(i % 5 ? done(claimed[i].lease) : ending(claimed[i].lease, JobOutcome::failed));
  }
  co_await queue.jobs.finish(endings);  // 20 of ours completed, 5 failed, 6 still queued
  co_await queue.be_counted();
  const Retention later{.completed = 4, .failed = 2, .keep_for = 1h};
  auto deleted = co_await queue.jobs.prune(queue.kind, later, 100);
  CHECK_EQ(deleted, 0);
  const Retention retention{.completed = 4, .failed = 2};
  while ((deleted = co_await queue.jobs.prune(queue.kind, retention, 7)) > 0) {
    CHECK(deleted <= 7);
  }
  const Rows left = co_await queue.db.query(
      "select count(*) filter (where status = 'completed'), count(*) filter (where status = 'failed'), "
      "count(*) filter (where status = 'queued') from jobs where type = $1",
      {queue.kind});
  CHECK_EQ(left[0].integer(0), 4);
  CHECK_EQ(left[0].integer(1), 2);
  CHECK_EQ(left[0].integer(2), 6);
  const auto others = co_await count_of(queue.db, "select count(*) from only jobs where type = $1", {other.kind});
  CHECK_EQ(others, 5);
}

// J11: a key goes with its job.
ASYNC_TEST(a_pruned_jobs_key_is_free_again) {
  Queue queue(reactor);
  co_await queue.declare();
  const std::string key = random_hex(8);
  const std::string first = co_await queue.add(keyed(queue, key, "d"));
  const JobLease lease = co_await queue.take();
  co_await queue.end(done(lease));
  auto deleted = co_await queue.jobs.prune(queue.kind, {.completed = 0, .failed = 0}, 10);
  CHECK_EQ(deleted, 0);
  co_await queue.be_counted();
  deleted = co_await queue.jobs.prune(queue.kind, {.completed = 0, .failed = 0}, 10);
  CHECK_EQ(deleted, 1);
  const auto results = co_await queue.jobs.enqueue({keyed(queue, key, "other")});
  CHECK(results[0].what == Enqueued::created);
}

ASYNC_TEST(bodies_of_jobs_that_have_not_ended_are_found_page_by_page) {
  Queue queue(reactor);
  co_await queue.declare();
  auto jobs = queue.many(8);
  std::set<std::string> expected;
  for (std::size_t i = 0; i < 7; ++i) {
    jobs[i].has_body = true;
    if (i < 5) expected.insert(jobs[i].id);
  }
  co_await queue.jobs.enqueue(jobs);
  co_await queue.jobs.cancel(jobs[5].id);
  co_await queue.db.query("update live_jobs set created_at = created_at - interval '2 hours' where id = $1",
                          {jobs[6].id});
  std::set<std::string> found;
  std::string last;
  for (;;) {
    const auto page = co_await queue.jobs.waiting_bodies(last, 2, 1h);
    CHECK(page.size() <= 2);
    if (page.empty()) break;
    CHECK(page.front() > last && page.front() <= page.back());
    last = page.back();
    for (const std::string& id : page) {  // other tests may have left some
      const auto view = co_await queue.jobs.get(id);
      if (view && view->kind == queue.kind) found.insert(id);
    }
  }
  CHECK(found == expected);
}

ASYNC_TEST(the_newest_jobs_are_listed) {
  Queue queue(reactor);
  co_await queue.declare();
  std::vector<std::string> ids(4);
  for (std::string& id : ids) id = co_await queue.add();
  co_await queue.jobs.cancel(ids[1]);
  const auto ids_of = [](const std::vector<JobView>& views) {
    std::vector<std::string> listed;
    for (const JobView& view : views) listed.push_back(view.id);
    return listed;
  };
  auto views = co_await queue.jobs.newest(queue.kind, {}, 3);
  CHECK(ids_of(views) == (std::vector{ids[3], ids[2], ids[1]}));
  views = co_await queue.jobs.newest(queue.kind, JobStatus::queued, 10);
  CHECK(ids_of(views) == (std::vector{ids[3], ids[2], ids[0]}));
  views = co_await queue.jobs.newest({}, {}, 1);
  CHECK_EQ(views.size(), 1u);
  views = co_await queue.jobs.get_many({ids[0], ids[1], uuid_v4()});
  CHECK_EQ(views.size(), 2u);
}
