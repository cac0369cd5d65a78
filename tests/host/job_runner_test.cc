// A runner against real PostgreSQL and Redis: what becomes of jobs, whatever their handlers and the servers do.
#include "host/job_runner.h"

#include "core/jobs/jobs_support.h"
#include "support/served.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

// What the handlers of a test share with it.
struct Seen {
  int begun = 0, ended = 0, at_once = 0, most_at_once = 0;
  bool open = true;  // until then they wait
  std::vector<std::string> bodies;
};

struct Inside {
  explicit Inside(Seen& its_seen) : seen(its_seen) {
    ++seen.begun;
    seen.most_at_once = std::max(seen.most_at_once, ++seen.at_once);
  }
  ~Inside() {
    --seen.at_once;
    ++seen.ended;
  }
  Seen& seen;
};

Async<Outcome> wait_until_open(Job&, Seen& seen) {
  const Inside inside(seen);
  do {
    co_await sleep_for(1ms);
  } while (!seen.open);
  co_return done(Json::object());
}

using Handle = std::function<Async<Outcome>(Job&)>;

// A runner with one kind of job, and the means to look at it.
struct House : WithPlatform {
  House(Reactor& its_reactor, Handle run, Values set = {}, JobHandler handler = {})
      : WithPlatform(its_reactor, real_servers(std::move(set))), reactor(its_reactor), queue(reactor) {
    handler.kind = queue.kind;
    handler.run = run ? std::move(run) : [this](Job& job) { return wait_until_open(job, seen); };
    runner.emplace(*platform, std::vector{std::move(handler)});
  }

  Async<void> end(Clock::duration grace = 0s) {
    bool drained = false;
    seen.open = true;
    runner->drain(grace, [&drained] { drained = true; });
    UNTIL(drained);
    CHECK_EQ(runner->running(), 0u);
  }

  Async<JobView> becomes(std::string id, JobStatus status) {
    for (const auto deadline = Clock::now() + 9s;; co_await sleep_for(5ms)) {
      const auto view = co_await queue.jobs.get(id);
      CHECK(view.has_value());
      if (view->status == status) co_return *view;
      if (Clock::now() > deadline) fail(fmt::format("it is {}, not {}", name_of(view->status), name_of(status)));
    }
  }
  // Enqueues a job, runs it, and gives back what became of it.
  Async<JobView> run_one(JobStatus status, NewJob job) {
    const std::string id = co_await queue.add(std::move(job));
    runner->start();
    JobView view = co_await becomes(id, status);
    co_await end();
    co_return view;
  }
  Async<JobView> run_one(JobStatus status) { return run_one(status, queue.job()); }

  Reactor& reactor;
  Queue queue;
  Seen seen;
  std::optional<JobRunner> runner;
};

std::string first_code(const JobView& view) {
  const auto errors = Json::parse(view.attempt_errors);
  return std::string(errors->at(0)["code"].string().value_or(""));
}

}  // namespace

// ---- Outcomes ----------------------------------------------------------------------------------------------------

namespace {

struct Wanted {
  std::string title;
  void fields(auto& f) { f("title", title, length(1, 20)); }
};

Async<Outcome> read_title(Job& job) {
  const auto wanted = co_await job.json<Wanted>();
  co_return done(Json::object({{"title", wanted.title}, {"attempt", job.attempt()}}));
}

Async<Outcome> give(Job&, Outcome outcome) { co_return outcome; }

template <class E>
Async<Outcome> throw_it(Job&, E what) {
  co_await sleep_for(1ms);
  throw what;
}

}  // namespace

ASYNC_TEST(a_job_runs_its_watchers_are_told_and_its_result_is_kept) {
  House house(reactor, read_title);
  NewJob job = house.queue.job();
  job.payload = R"({"title": "a"})";
  std::vector<std::string> told;
  const auto watching = house.platform->events.watch(job.id, [&](const JobEvent& event) {
    told.push_back(fmt::format("{} {}", name_of(event.status), event.progress));
  });
  UNTIL(house.platform->events.listening());
  const JobView view = co_await house.run_one(JobStatus::completed, job);
  CHECK_EQ(Json::parse(*view.result)->dump(), R"({"title":"a","attempt":1})");
  CHECK_EQ(view.attempt, 1);
  UNTIL(told.size() >= 2);
  CHECK(told == (std::vector<std::string>{"processing 0", "completed 100"}));
}

ASYNC_TEST(a_payload_that_its_handler_refuses_fails_for_good) {
  House house(reactor, read_title);
  NewJob job = house.queue.job();
  job.payload = R"({"title": ""})";
  const JobView view = co_await house.run_one(JobStatus::failed, job);
  CHECK_EQ(view.error_code, "unprocessable");
  CHECK_EQ(view.attempt, 1);
}

ASYNC_TEST(what_a_handler_returns_is_what_becomes_of_its_job) {
  {
    House house(reactor, [](Job& job) { return give(job, fail_job(FailureKind::unprocessable, "no")); });
    const JobView view = co_await house.run_one(JobStatus::failed);
    CHECK_EQ(view.error_code, "unprocessable");
    CHECK_EQ(view.error_message, "no");
  }
  {
    House house(reactor, [](Job& job) { return give(job, cancel_job("not needed")); });
    co_await house.run_one(JobStatus::cancelled);
  }
  {
    House house(reactor, [](Job& job) {
      return give(job, job.attempt() == 1 ? retry_in(1ms, "not yet") : done(Json::object()));
    });
    const JobView view = co_await house.run_one(JobStatus::completed);
    CHECK_EQ(view.attempt, 2);
    CHECK_EQ(first_code(view), "unavailable");
  }
}

ASYNC_TEST(a_failure_that_may_pass_is_tried_again_when_it_says) {
  House house(reactor, [](Job& job) {
    return job.attempt() == 1 ? throw_it(job, Failure(FailureKind::provider_error, "no answer").retry_after(1ms))
                              : give(job, done(Json::object()));
  });
  const JobView view = co_await house.run_one(JobStatus::completed);
  CHECK_EQ(view.attempt, 2);
  CHECK_EQ(first_code(view), "provider_error");
}

ASYNC_TEST(a_job_whose_provider_cannot_be_asked_waits_says_why_and_keeps_its_attempts) {
  int refusals = 0;
  House house(reactor, [&refusals](Job& job) {
    CHECK_EQ(job.attempt(), 1);
    return refusals++ == 0 ? throw_it(job, Failure(FailureKind::provider_closed, "out of order").retry_after(1ms))
                           : give(job, done(Json::object()));
  });
  NewJob job = house.queue.job();
  job.max_attempts = 1;
  std::vector<std::string> told;
  const auto watching = house.platform->events.watch(job.id, [&](const JobEvent& event) {
    told.push_back(fmt::format("{}: {}", name_of(event.status), event.message));
  });
  UNTIL(house.platform->events.listening());
  const JobView view = co_await house.run_one(JobStatus::completed, job);
  CHECK_EQ(view.attempt, 1);
  CHECK_EQ(view.attempt_errors, "[]");
  UNTIL(told.size() >= 4);
  CHECK(told == (std::vector<std::string>{"processing: ", "queued: out of order", "processing: ", "completed: "}));
}

ASYNC_TEST(a_fault_is_tried_again_and_tells_nobody_its_words) {
  House house(reactor, [](Job& job) { return throw_it(job, std::runtime_error("a secret detail")); });
  NewJob job = house.queue.job();
  job.max_attempts = 1;
  const JobView view = co_await house.run_one(JobStatus::failed, job);
  CHECK_EQ(view.error_code, "internal");
  CHECK(!view.error_message.contains("secret"));
  CHECK_EQ(view.error_stack, "a secret detail");
}

ASYNC_TEST(a_handler_that_takes_too_long_is_stopped_and_tried_again) {
  House house(reactor, {}, {}, {.timeout = 50ms});
  house.seen.open = false;
  const std::string id = co_await house.queue.add();
  house.runner->start();
  UNTIL(house.seen.ended == 1);
  const JobView view = co_await house.becomes(id, JobStatus::queued);
  CHECK_EQ(first_code(view), "timeout");
  CHECK_EQ(view.attempt, 1);
  co_await house.end();
}

// ---- Bodies and results that rest nowhere ------------------------------------------------------------------------

namespace {

Async<Outcome> with_image(Job& job, Seen& seen) {
  const auto wanted = co_await job.json<Wanted>();
  seen.bodies.push_back(wanted.title);
  co_return done(Json::object({{"edits", 1}}), R"({"edits":1,"image":"abc"})");
}

}  // namespace

ASYNC_TEST(a_body_is_read_and_forgotten_and_a_result_with_images_kept_apart) {
  Seen seen;
  House house(reactor, [&seen](Job& job) { return with_image(job, seen); });
  NewJob job = house.queue.job();
  job.has_body = true;
  const std::string id = job.id;
  co_await house.platform->body_store.put_body(id, R"({"title": "body"})");
  const JobView view = co_await house.run_one(JobStatus::completed, job);
  CHECK(seen.bodies == std::vector<std::string>{"body"});
  CHECK(view.result_apart);
  CHECK_EQ(Json::parse(*view.result)->dump(), R"({"edits":1})");
  const auto whole = co_await house.platform->body_store.full_result(id);
  CHECK_EQ(whole.value_or(""), R"({"edits":1,"image":"abc"})");
  for (bool gone = false; !gone; co_await sleep_for(1ms)) {
    const auto body = co_await house.platform->body_store.take_body(id);
    gone = !body;
  }
}

ASYNC_TEST(a_job_whose_body_is_gone_fails_for_good) {
  {
    House house(reactor, {});
    NewJob job = house.queue.job();
    job.has_body = true;
    const JobView view = co_await house.run_one(JobStatus::failed, job);
    CHECK_EQ(view.error_code, "payload_lost");
    CHECK_EQ(house.seen.begun, 0);
  }
  House house(reactor, {});
  NewJob job = house.queue.job();
  job.has_body = true;
  co_await house.queue.add(job);
  co_await house.queue.db.query("update live_jobs set created_at = now() - interval '2 h' where id = $1", {job.id});
  house.runner->start();
  const JobView view = co_await house.becomes(job.id, JobStatus::failed);
  CHECK_EQ(view.error_code, "payload_expired");
  co_await house.end();
}

ASYNC_TEST(without_the_payload_redis_a_job_with_a_body_waits_and_keeps_its_attempts) {
  House house(reactor, {}, {{"PAYLOADS_SOCKET", "/nonexistent/socket"}});
  NewJob job = house.queue.job();
  job.has_body = true;
  job.max_attempts = 1;
  const std::string id = co_await house.queue.add(job);
  house.runner->start();
  for (int number = 0; number < 5; co_await sleep_for(5ms)) {  // claimed and given back twice
    const auto view = co_await house.queue.jobs.get(id);
    number = view->event_number;
  }
  std::optional<JobView> view;
  for (bool told = false; !told; co_await sleep_for(5ms)) {  // why is written after it was given back
    view = co_await house.queue.jobs.get(id);
    told = view->status == JobStatus::queued && !view->progress_message.empty();
  }
  CHECK_EQ(view->attempt, 0);
  CHECK_EQ(view->progress_message, "what it was sent can't be read now");
  CHECK_EQ(house.seen.begun, 0);
  co_await house.end();
}

// ---- How many, how soon ------------------------------------------------------------------------------------------

ASYNC_TEST(no_more_jobs_run_at_once_than_the_setting_says) {
  House house(reactor, {}, {{"RUNNER_JOBS", "3"}});
  house.seen.open = false;
  co_await house.queue.jobs.enqueue(house.queue.many(20));
  house.runner->start();
  UNTIL(house.seen.begun == 3);
  co_await sleep_for(50ms);
  CHECK_EQ(house.seen.begun, 3);
  house.seen.open = true;
  UNTIL(house.seen.ended == 20);
  CHECK_EQ(house.seen.most_at_once, 3);
  co_await house.end();
}

ASYNC_TEST(a_kinds_own_limit_holds_and_wastes_no_time) {
  House house(reactor, {}, {}, {.concurrency_limit = 2});
  co_await house.queue.jobs.enqueue(house.queue.many(20));
  house.runner->start();
  UNTIL(house.seen.ended == 20);  // ten polls, a second each, would come too late
  CHECK_EQ(house.seen.most_at_once, 2);
  co_await house.end();
}

ASYNC_TEST(a_backlog_is_claimed_without_waiting_for_the_next_poll) {
  House house(reactor, {}, {{"RUNNER_JOBS", "10"}});
  co_await house.queue.jobs.enqueue(house.queue.many(500));
  house.runner->start();
  UNTIL(house.seen.ended == 500);
  co_await house.end();
}

ASYNC_TEST(a_job_that_redis_tells_of_starts_before_the_next_poll) {
  House house(reactor, {});
  house.runner->start();
  UNTIL(house.platform->events.listening());
  Clock::duration quickest = 1h;
  for (int round = 1; round <= 5; ++round) {
    const auto began = Clock::now();
    co_await house.queue.add();
    house.platform->events.publish_enqueued({house.queue.kind});
    UNTIL(house.seen.ended == round);
    if (round > 1) quickest = std::min(quickest, Clock::now() - began);
  }
  CHECK(quickest < 750ms);  // between two polls; every round would take as long
  co_await house.end();
}

ASYNC_TEST(of_jobs_that_may_have_killed_a_runner_one_runs_at_a_time) {
  House house(reactor, {});
  house.seen.open = false;
  co_await house.queue.jobs.enqueue(house.queue.many(4));
  co_await house.queue.db.query("update live_jobs set losses = 1 where type = $1", {house.queue.kind});
  const std::string innocent = co_await house.queue.add(house.queue.job("b@example.com"));
  house.runner->start();
  UNTIL(house.seen.begun == 2);  // the innocent one and one suspect
  co_await sleep_for(1500ms);    // they are looked for again
  CHECK_EQ(house.seen.begun, 2);
  house.seen.open = true;
  UNTIL(house.seen.ended == 5);
  CHECK_EQ(house.seen.most_at_once, 2);
  const auto completed = co_await count_of(
      house.queue.db, "select count(*) from jobs where type = $1 and status <> 'queued' and attempt = 1",
      {house.queue.kind});
  CHECK_EQ(completed, 5);
  co_await house.end();
}

// ---- Progress ----------------------------------------------------------------------------------------------------

namespace {

Async<Outcome> tell_often(Job& job) {
  for (int i = 1; i <= 300; ++i) {
    job.progress(i / 6, fmt::format("step {}", i));
    co_await sleep_for(2ms);
  }
  for (const auto until = Clock::now() + 400ms; Clock::now() < until;) co_await sleep_for(5ms);
  job.progress(99, "too late to be told");
  co_return fail_job(FailureKind::unprocessable, "no");
}

}  // namespace

ASYNC_TEST(progress_is_told_a_few_times_a_second_and_the_latest_counts) {
  House house(reactor, tell_often);
  NewJob job = house.queue.job();
  std::vector<JobEvent> told;
  const auto watching = house.platform->events.watch(job.id, [&](const JobEvent& event) { told.push_back(event); });
  UNTIL(house.platform->events.listening());
  co_await house.run_one(JobStatus::failed, job);
  UNTIL(!told.empty() && told.back().status == JobStatus::failed);
  CHECK(told.size() >= 4 && told.size() <= 60);  // of 300
  CHECK(std::ranges::is_sorted(told, {}, &JobEvent::number));
  CHECK(std::ranges::any_of(told, [](const JobEvent& event) { return event.message == "step 300"; }));
}

// ---- Cancelling, leases ------------------------------------------------------------------------------------------

ASYNC_TEST(cancelling_a_running_job_reaches_its_handler_with_and_without_redis) {
  for (const bool told : {true, false}) {
    House house(reactor, {});
    house.seen.open = false;
    const std::string id = co_await house.queue.add();
    house.runner->start();
    UNTIL(house.seen.begun == 1 && house.platform->events.listening());
    // What Redis tells, no row says; what the row says, a heartbeat finds.
    if (told) house.platform->events.publish_cancelled(id);
    if (!told) co_await house.queue.jobs.cancel(id);
    UNTIL(house.seen.ended == 1);
    co_await house.becomes(id, JobStatus::cancelled);
    co_await house.end();
  }
}

ASYNC_TEST(a_runner_that_lost_its_lease_stops_its_handler_and_writes_nothing) {
  House house(reactor, {});
  house.seen.open = false;
  const std::string id = co_await house.queue.add();
  house.runner->start();
  UNTIL(house.seen.begun == 1);
  co_await house.queue.db.query("update live_jobs set lease_token = 1, runner = 'another' where id = $1", {id});
  UNTIL(house.seen.ended == 1 && house.runner->running() == 0);
  const auto view = co_await house.queue.jobs.get(id);
  CHECK_EQ(view->status, JobStatus::processing);
  CHECK_EQ(view->event_number, 2);
  co_await house.end();
  co_await house.queue.jobs.finish({test::done({id, 1})});
}

// Heartbeats wait behind a lock for longer than the lease: another may have the job by then.
ASYNC_TEST(a_runner_out_of_touch_for_longer_than_its_lease_stops_its_handlers) {
  House house(reactor, {});
  house.settings.job_lease = 1s;
  house.runner.emplace(*house.platform, std::vector{JobHandler{.kind = house.queue.kind, .run = [&house](Job& job) {
                                                                 return wait_until_open(job, house.seen);
                                                               }}});
  house.seen.open = false;
  const std::string id = co_await house.queue.add();
  house.runner->start();
  UNTIL(house.seen.begun == 1);
  {
    Transaction lock = co_await house.queue.db.begin();
    co_await lock.query("lock table live_jobs in exclusive mode");
    UNTIL(house.seen.ended == 1);
    co_await lock.commit();
  }
  house.seen.open = true;
  const JobView view = co_await house.becomes(id, JobStatus::completed);
  CHECK_EQ(house.seen.begun, 2);
  co_await house.end();
}

ASYNC_TEST(what_has_ended_is_written_once_postgresql_answers_again) {
  House house(reactor, {}, {{"DATABASE_URL", conninfo("PLUGFLEET_TEST_POSTGRES")}});
  Database admin(reactor, direct(1));
  house.seen.open = false;
  co_await house.queue.jobs.enqueue(house.queue.many(40));
  house.runner->start();
  UNTIL(house.seen.begun == 40);
  house.seen.open = true;
  for (const auto until = Clock::now() + 1s; Clock::now() < until; co_await sleep_for(100ms)) {
    co_await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and "
        "query ~ 'finish_jobs|unnest'");
  }
  UNTIL(house.runner->running() == 0);
  const auto completed = co_await count_of(
      house.queue.db, "select count(*) from jobs where type = $1 and status = 'completed' and attempt = 1",
      {house.queue.kind});
  CHECK_EQ(completed, 40);
  CHECK_EQ(house.seen.begun, 40);
  co_await house.end();
}

// ---- Leaving -----------------------------------------------------------------------------------------------------

ASYNC_TEST(a_runner_that_leaves_ends_what_it_has_and_claims_no_more) {
  House house(reactor, {}, {{"RUNNER_JOBS", "2"}});
  house.seen.open = false;
  co_await house.queue.jobs.enqueue(house.queue.many(5));
  house.runner->start();
  UNTIL(house.seen.begun == 2);
  co_await house.end(5s);
  CHECK_EQ(house.seen.begun, 2);
  const auto completed = co_await count_of(
      house.queue.db, "select count(*) from jobs where type = $1 and status = 'completed'", {house.queue.kind});
  CHECK_EQ(completed, 2);
}

ASYNC_TEST(what_does_not_end_within_the_grace_is_given_back_with_its_attempt) {
  House house(reactor, {});
  house.seen.open = false;
  NewJob job = house.queue.job();
  job.max_attempts = 1;
  const std::string id = co_await house.queue.add(job);
  house.runner->start();
  UNTIL(house.seen.begun == 1);
  bool drained = false;
  house.runner->drain(50ms, [&drained] { drained = true; });
  UNTIL(drained);
  CHECK_EQ(house.seen.ended, 1);
  const auto view = co_await house.queue.jobs.get(id);
  CHECK_EQ(view->status, JobStatus::queued);
  CHECK_EQ(view->attempt, 0);
}
