// probe: a module for tests and benchmarks alone, whose jobs do what a test wants to see done to jobs. Never part of a
// fleet that serves anybody: it lets whoever asks kill a runner.
//
//   POST /probe/jobs   {"kind": "sleep", "userEmail", "count"?, "priority"?, "delayMs"?, "ms"?, "steps"?, "times"?}
//                      -> 202 {"jobId"}, by the platform's intake; with a count {"count"}, by one statement a thousand
//   POST /probe/effects {"kind", "userEmail", "rolledBack"?} -> 202 {"jobId"}: a row in probe_effects and a job, by one
//                      transaction; where that is rolled back 409, and neither
//   GET /probe/list    14.6 KB of JSON from a cache, for users; /probe/stored the like from PostgreSQL
//   GET /probe/hold    keeps the worker's one thread for 20 ms, as no handler should
//   PUT /probe/upload  up to 3 MB as they come -> {"bytes", "sha256"}
//   probe.noop         is done
//   probe.sleep        {ms, steps} tells its progress after each step, of 20 where it is not said
//   probe.once         {ms, steps} the same, and leaves a row in probe_effects each time it runs
//   probe.limited      the same; two at a time in the whole fleet
//   probe.retry        {times} wants to be tried again so many times
//   probe.fail         fails for good
//   probe.crash        kills its process
//   probe.ask          asks the AI
//   probe.priced       {ms} the same after a while, for 20 credits of "teamId" at the most, 1 for each 10 tokens
//   probe.priced_fail  fails for good; it would have cost 20
//
// The setting PROBE_LANE, "@a" say, is added to these names: such a runner runs the jobs of kind "sleep@a" and no
// others, and so tests of runners that die don't meet each other.
#include <plugfleet/module.h>

#include <csignal>
#include <thread>

#include "base/digest.h"
#include "core/platform.h"

namespace probe {

using namespace plugfleet;

namespace {

struct Wanted {
  std::string kind, user_email;
  std::optional<std::int64_t> count, priority, delay_ms;
  std::optional<std::int64_t> ms, steps, times;  // the job's own
  std::optional<std::string> team_id;
  void fields(auto& f) {
    f("teamId", team_id);
    f("kind", kind, length(1, 64));
    f("userEmail", user_email, length(1, 255));
    f("count", count, range(1, 100'000));
    f("priority", priority, range(1, 3));
    f("delayMs", delay_ms, range(0, 1e9));
    f("ms", ms, range(0, 1e9));
    f("steps", steps, range(1, 1000));
    f("times", times, range(0, 1000));
  }
};

struct Payload {
  std::optional<std::int64_t> ms, steps, times;
  void fields(auto& f) {
    f("ms", ms);
    f("steps", steps);
    f("times", times);
  }
};

NewJob new_job(const Wanted& wanted, const std::string& payload, const std::string& trace) {
  return {.kind = "probe." + wanted.kind,
          .payload = payload,
          .user_email = wanted.user_email,
          .trace_id = trace,
          .priority = static_cast<JobPriority>(wanted.priority.value_or(2)),
          .delay = milliseconds(wanted.delay_ms.value_or(0)),
          .team = wanted.team_id};
}

struct Added {
  std::string job_id;
  void fields(auto& f) { f("jobId", job_id, uuid_text()); }
};

struct AddedMany {
  std::int64_t count = 0;
  void fields(auto& f) { f("count", count); }
};

Async<Reply> add_jobs(Call& call) {
  const Wanted wanted = co_await call.json<Wanted>();
  const std::string payload = write_fields(Payload{wanted.ms, wanted.steps, wanted.times}).dump();
  if (!wanted.count) {
    const EnqueueResult added = co_await call.platform.intake.enqueue(new_job(wanted, payload, call.trace().id));
    co_return json(202, Added{added.id});
  }
  for (std::int64_t left = *wanted.count; left > 0; left -= 1000) {
    std::vector<NewJob> jobs;
    for (std::int64_t i = std::min<std::int64_t>(left, 1000); i > 0; --i) {
      jobs.push_back(new_job(wanted, payload, call.trace().id));
    }
    co_await call.platform.jobs.enqueue(std::move(jobs));
  }
  call.platform.events.publish_enqueued({"probe." + wanted.kind});
  co_return json(202, AddedMany{*wanted.count});
}

struct Effect {
  std::string kind, user_email;
  std::optional<bool> rolled_back;
  void fields(auto& f) {
    f("kind", kind, length(1, 64));
    f("userEmail", user_email, length(1, 255));
    f("rolledBack", rolled_back);
  }
};

Async<Reply> add_effect(Call& call) {
  const auto wanted = co_await call.json<Effect>();
  NewJob job{.kind = "probe." + wanted.kind, .payload = "{}", .user_email = wanted.user_email};
  Transaction transaction = co_await call.services.database.begin();
  co_await transaction.query("insert into probe_effects (job_id, attempt, kind) values ($1, 0, 'request')", {job.id});
  const EnqueueResult added = co_await call.enqueue(transaction, std::move(job));
  if (wanted.rolled_back.value_or(false)) throw Failure(FailureKind::conflict, "as it was asked to");
  co_await transaction.commit();
  co_return json(202, Added{added.id});
}

struct Nothing {
  void fields(auto&) {}
};

Async<Reply> hold(Call&) {
  std::this_thread::sleep_for(milliseconds(20));
  co_return json(200, Nothing{});
}

struct Uploaded {
  std::int64_t bytes = 0;
  std::string sha256;
  void fields(auto& f) {
    f("bytes", bytes);
    f("sha256", sha256);
  }
};

Async<Reply> upload(Call& call) {
  std::string all;
  for (;;) {
    const std::string part = co_await call.body_part();
    if (part.empty()) break;
    all += part;
  }
  co_return json(200, Uploaded{static_cast<std::int64_t>(all.size()), sha256_hex(all)});
}

struct Item {
  std::string id, name, author;
  std::int64_t price = 0;
  std::vector<std::string> tags;
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("name", name);
    f("author", author);
    f("price", price);
    f("tags", tags);
  }
};

struct Items {
  std::vector<Item> items;
  void fields(auto& f) { f("items", items); }
};

// As a page of a shop has them.
Async<Reply> list(Call&) {
  Items all;
  for (int i = 0; i < 119; ++i) all.items.push_back({uuid_v4(), "A thing of many", "somebody", i, {"one", "two"}});
  co_return json(200, all);
}

Async<Reply> stored(Call& call) {
  Items all;
  all.items = co_await call.services.database.all<Item>(
      "select id, name, author, price, to_jsonb(tags) as tags from probe_items order by price");
  co_return json(200, all);
}

Async<Outcome> noop(Job&) { co_return done(Json()); }

Async<Outcome> sleep(Job& job) {
  const Payload payload = co_await job.json<Payload>();
  const auto steps = static_cast<int>(payload.steps.value_or(20));
  for (int step = 1; step <= steps; ++step) {
    co_await sleep_for(milliseconds(payload.ms.value_or(0)) / steps);
    if (step < steps) job.progress(100 * step / steps, "asleep");
  }
  co_return done(Json::object({{"attempt", job.attempt()}}));
}

Async<Outcome> leave_a_row(Job& job) {
  Database& database = job.services.database;
  co_await database.query("insert into probe_effects (job_id, attempt, kind) values ($1, $2, $3)",
                          {job.id(), job.attempt(), job.kind()});
  Outcome outcome = co_await sleep(job);
  co_await database.query("update probe_effects set ended = clock_timestamp() where job_id = $1 and attempt = $2",
                          {job.id(), job.attempt()});
  co_return outcome;
}

Async<Outcome> retry(Job& job) {
  const Payload payload = co_await job.json<Payload>();
  if (job.attempt() <= payload.times.value_or(0)) co_return retry_in(50ms, "as it was asked to");
  co_return done(Json::object({{"attempt", job.attempt()}}));
}

Async<Outcome> fail(Job&) { co_return fail_job(FailureKind::unprocessable, "as it was asked to"); }

Async<Outcome> crash(Job&) {
  std::raise(SIGKILL);
  co_return done(Json());
}

Async<Outcome> ask(Job& job) {
  const Completion answer = co_await job.complete({.text = "probe"});
  co_return done(Json::object({{"answer", answer.text}}));
}

Async<Outcome> ask_later(Job& job) {
  const Payload payload = co_await job.json<Payload>();
  co_await sleep_for(milliseconds(payload.ms.value_or(0)));
  Outcome outcome = co_await ask(job);
  co_return outcome;
}

Module describe(SettingReader& settings) {
  std::string lane;
  settings.text("PROBE_LANE", lane, "");
  Module module{
      .name = "probe",
      .routes = {{Method::POST,
                  "/probe/jobs",
                  add_jobs,
                  {.summary = "Enqueues jobs",
                   .body = json_of<Wanted>(),
                   .answers = {{202, json_of<Added>()}, {202, json_of<AddedMany>()}},
                   .fails = {FailureKind::insufficient_credits},
                   .recorded = false}},
                 {Method::POST,
                  "/probe/effects",
                  add_effect,
                  {.summary = "A row and a job",
                   .body = json_of<Effect>(),
                   .answers = {{202, json_of<Added>()}},
                   .fails = {FailureKind::conflict},
                   .recorded = false}},
                 {Method::PUT,
                  "/probe/upload",
                  upload,
                  {.summary = "Takes what comes",
                   .body = bytes_of("application/octet-stream"),
                   .answers = {{200, json_of<Uploaded>()}},
                   .body_max = 3 << 20,
                   .recorded = false}},
                 {Method::GET,
                  "/probe/list",
                  list,
                  {.summary = "A list",
                   .answers = {{200, json_of<Items>()}},
                   .auth = Auth::required,
                   .cache = CacheRule{.fresh = 1h},
                   .recorded = false}},
                 {Method::GET,
                  "/probe/stored",
                  stored,
                  {.summary = "A list that is stored",
                   .answers = {{200, json_of<Items>()}},
                   .auth = Auth::required,
                   .limit = per_client(1'000'000, 1min),
                   .recorded = false}},
                 {Method::GET,
                  "/probe/hold",
                  hold,
                  {.summary = "Answers after a while", .answers = {{200, json_of<Nothing>()}}, .recorded = false}}}};
  module.jobs = {{.kind = "noop", .run = noop},
                 {.kind = "sleep", .run = sleep},
                 {.kind = "once", .run = leave_a_row},
                 {.kind = "limited", .run = leave_a_row, .concurrency_limit = 2},
                 {.kind = "retry", .run = retry},
                 {.kind = "fail", .run = fail},
                 {.kind = "crash", .run = crash},
                 {.kind = "ask", .run = ask},
                 {.kind = "priced", .run = ask_later, .price = JobPrice{.most = 20, .per_1000_tokens = 100}},
                 {.kind = "priced_fail", .run = fail, .price = JobPrice{.most = 20}}};
  for (JobHandler& job : module.jobs) job.kind = "probe." + job.kind + lane;
  return module;
}

}  // namespace
}  // namespace probe

PLUGFLEET_MODULE(probe::describe)
