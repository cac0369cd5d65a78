// A job as its handler sees it, and what a module declares of the jobs it can run.
//
//   Async<Outcome> digest(Job& job) {
//     const auto wanted = co_await job.json<Wanted>();
//     job.progress(50, "half of it");
//     co_return done(Json::object({{"sent", 3}}));
//   }
//   ... .jobs = {{.kind = "notes.digest", .run = digest, .attempts = 5, .timeout = 30s}}
//
// A handler may run more than once for a job (its process may die after its work): what it does must bear repeating. It
// is cancelled (Cancellation, at its next wait) when the job is cancelled, when its lease is lost and when
// its time is over. What becomes of a job whose handler throws: host/job_outcome.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/jobs/jobs.h"
#include "core/work.h"
#include "wire/fields.h"
#include "wire/json.h"
#include "wire/json_view.h"

namespace plugfleet {

struct Outcome {
  JobOutcome what = JobOutcome::done;
  Json result;                             // stored in the job's row: never an image
  std::optional<std::string> full_result;  // with its images, as JSON: kept in the payload Redis, served instead
  Json facts;                              // more of them: added to those it was enqueued with
  std::string code, message;               // of what went wrong; of something done, what did not go well
  std::optional<milliseconds> wait;
};

Outcome done(Json result);
Outcome done(Json result, std::string with_images);
Outcome retry_in(milliseconds wait, std::string why);  // fails for good where it was the last attempt
Outcome cancel_job(std::string why);
Outcome fail_job(FailureKind kind, std::string message);  // for good

class Job : public Work {
 public:
  Job(ClaimedJob claimed, std::string body, Clock::time_point deadline, std::function<void(int, std::string)> progress,
      Platform& platform, Services& services);

  const std::string& id() const { return claimed_.lease.id; }
  const std::string& kind() const { return claimed_.kind; }
  const std::string& user_email() const { return claimed_.user_email; }
  int attempt() const { return claimed_.attempt; }  // from 1
  int max_attempts() const { return claimed_.max_attempts; }
  Clock::time_point deadline() const override { return deadline_; }

  // The body it was enqueued with (or, without one, its payload) as T. Views in T live as long as the job. Throws
  // Failure as Call::json does.
  template <class T>
  Async<T> json() {
    const JsonView* const view = json_view();
    co_return read_fields<T>(*view);
  }
  const JsonView* json_view();

  // Told to whoever watches, a few times a second at most; the latest counts.
  void progress(int percent, std::string message) override { progress_(percent, std::move(message)); }

 private:
  ClaimedJob claimed_;
  std::string body_;  // with kJsonPadding to spare
  Clock::time_point deadline_;
  std::function<void(int, std::string)> progress_;
  std::optional<JsonView> view_;
};

struct JobHandler {
  std::string kind;  // the job's type
  std::function<Async<Outcome>(Job&)> run;
  // With a pause between that doubles from 1 s. While no AI can be asked (core/ai/ai.h) none is used up.
  int attempts = 3;
  Clock::duration timeout = 10min;
  std::optional<int> concurrency_limit = {};  // jobs of this kind that run at once, in the whole fleet
  // Which of its jobs' facts (NewJob::facts, Outcome::facts) are columns of the table jobs, for those who query them; a
  // fact that is none stands in the column `facts`. A column is there for any module once the platform has it.
  std::vector<std::string> columns = {};
  // What one costs its team; a NewJob says which (.team). Such a job is never done at once within its request.
  std::optional<JobPrice> price = {};
  std::string module = {};  // whose it is: the loader says it
};

// Something to be done at certain times: a job of `kind` is enqueued, once in the whole fleet for each time.
struct CronEntry {
  std::string name;      // unique in the fleet
  std::string schedule;  // crontab(5)'s five fields, in UTC: "30 2 * * *"
  std::string kind;
  std::string payload = "null";  // JSON
};

}  // namespace plugfleet
