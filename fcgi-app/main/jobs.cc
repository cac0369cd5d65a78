// plugfleet-jobs: what operators do with jobs. Reads and writes the database; Redis is only told what happened, and
// need not be there. scripts/jobs runs it for a fleet.
//
//   plugfleet-jobs [--settings FILE] [VERB] [--json]     without a verb: depths; --help prints them all
//
// Exit status: 0; 1 where a job or kind is not there, refused, or the database does not answer; 2 for a wrong usage.
#include <fmt/format.h>

#include <cstdio>

#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "core/jobs/job_events.h"
#include "core/jobs/jobs.h"
#include "core/settings.h"
#include "io/postgres.h"
#include "io/redis.h"
#include "main/table.h"
#include "main/verbs.h"
#include "wire/json.h"

namespace plugfleet {
namespace {

constexpr const char* kProgram = "plugfleet-jobs";
constexpr int kPage = 500;

struct Desk {
  Jobs& jobs;
  JobEvents& events;
  Redis& redis;

  std::vector<std::string> words;  // the verb's
  std::string kind;
  std::optional<JobStatus> status;
  std::int64_t limit = 0;
  Clock::duration timeout{};
  bool json = false, cancel = false;

  int exit_status = 0;

  void complain(const std::string& sentence) {
    fmt::print(stderr, "{}\n", sentence);
    exit_status = 1;
  }
};

Json json_or_null(const std::optional<std::string>& text) {
  return text ? Json::parse(*text).value_or(Json()) : Json();
}

Json json_of(const JobView& job) {
  return Json::object({{"id", job.id},
                       {"type", job.kind},
                       {"status", name_of(job.status)},
                       {"cancelRequested", job.cancel_requested},
                       {"progress", job.progress},
                       {"progressMessage", job.progress_message},
                       {"attempt", job.attempt},
                       {"maxAttempts", job.max_attempts},
                       {"createdAt", job.created_at},
                       {"startedAt", job.started_at},
                       {"completedAt", job.completed_at},
                       {"durationMs", job.duration_ms},
                       {"userEmail", job.user_email},
                       {"userId", job.user_id},
                       {"owner", job.owner},
                       {"result", json_or_null(job.result)},
                       {"resultApart", job.result_apart},
                       {"errorCode", job.error_code},
                       {"errorMessage", job.error_message},
                       {"errorStack", job.error_stack},
                       {"attemptErrors", json_or_null(job.attempt_errors)}});
}

void print_json(const Json& json) { fmt::print("{}\n", json.dump()); }

std::string tries(const JobView& job) { return fmt::format("{}/{}", job.attempt, job.max_attempts); }

std::string checked_id(const std::string& text) {
  auto id = canonical_uuid(text);
  if (!id) throw UsageError(fmt::format("\"{}\" is not a job's id", printable(text, 60)));
  return std::move(*id);
}

// One connection's commands are answered in their order: when this one is, all before it have been carried out.
Async<void> tell_out(Desk& desk) {
  bool told = true;
  try {
    co_await desk.redis.command({"PING"});
  } catch (const Failure&) {
    told = false;
  }
  if (!told)
    fmt::print(stderr, "Redis does not answer: runners and clients learn of this within seconds, not at once.\n");
}

// ---- Looking -----------------------------------------------------------------------------------------------------

Async<void> list(Desk& desk) {
  const auto views = co_await desk.jobs.newest(none_if_empty(desk.kind), desk.status, static_cast<int>(desk.limit));
  if (desk.json) {
    Json all = Json::array();
    for (const JobView& job : views) all.push(json_of(job));
    print_json(all);
    co_return;
  }
  Table table({"ID", "KIND", "STATUS", "TRIES", "AGE", "USER", "WHAT"});
  for (const JobView& job : views) {
    std::string what = job.error_code;
    if (job.status == JobStatus::completed && job.duration_ms)
      what = "took " + shown_duration(milliseconds(*job.duration_ms));
    if (job.status == JobStatus::queued) what = job.progress_message;
    if (job.status == JobStatus::processing) what = fmt::format("{}% {}", job.progress, job.progress_message);
    if (job.status == JobStatus::processing && job.cancel_requested) what = "to be cancelled";
    table.add({job.id, printable(job.kind, 18), std::string(name_of(job.status)), tries(job), shown_age(job.created_at),
               printable(job.user_email, 20), what});
  }
  fmt::print("{}", table.text());
}

void print_row(std::string_view name, std::string_view text) {
  if (!text.empty()) fmt::print("{:10} {}\n", name, printable(text, kTerminalWidth - 11));
}

void print_time(std::string_view name, const std::optional<std::string>& time) {
  if (time) print_row(name, fmt::format("{} ago  {}", shown_age(*time), *time));
}

Async<void> show(Desk& desk) {
  const auto job = co_await desk.jobs.get(checked_id(desk.words[0]));
  if (!job) throw Refused(fmt::format("There is no job {}.", desk.words[0]));
  if (desk.json) {
    print_json(json_of(*job));
    co_return;
  }
  print_row("job", job->id);
  print_row("kind", job->kind);
  const bool stopping = job->status == JobStatus::processing && job->cancel_requested;
  print_row("status", std::string(name_of(job->status)) + (stopping ? ", to be cancelled" : ""));
  print_row("tries", tries(*job));
  if (job->status == JobStatus::processing)
    print_row("progress", fmt::format("{}% {}", job->progress, job->progress_message));
  if (job->status == JobStatus::queued) print_row("waits", job->progress_message);
  print_row("email", job->user_email);
  print_row("user", job->user_id.value_or(""));
  print_row("owner", job->owner ? *job->owner + "  (proved by a token)" : "");
  print_time("created", job->created_at);
  print_time("started", job->started_at);
  print_time("ended", job->completed_at);
  if (job->duration_ms) print_row("took", shown_duration(milliseconds(*job->duration_ms)));
  print_row("result", job->result.value_or(""));
  if (job->result_apart) print_row("", "(and images, in the payload Redis for their time)");
  print_row("error", job->error_code.empty() ? job->error_message : job->error_code + ": " + job->error_message);
  if (!job->error_stack.empty()) fmt::print("{}\n", utf8_repaired(job->error_stack));

  const Json errors = json_or_null(job->attempt_errors);
  if (errors.size() == 0) co_return;
  Table table({"ATTEMPT", "AGE", "CODE", "MESSAGE"});
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const Json error = errors.at(i);
    const auto text = [&](const char* name) { return std::string(error[name].string().value_or("")); };
    table.add({fmt::format("{}", error["attempt"].integer().value_or(0)), shown_age(text("at")), text("code"),
               text("message")});
  }
  fmt::print("\n{}", table.text());
}

Json json_of(const KindDepth& depth) {
  return Json::object({{"kind", depth.kind},
                       {"ready", depth.ready},
                       {"toCome", depth.to_come},
                       {"processing", depth.processing},
                       {"oldestMs", depth.oldest.count()},
                       {"paused", depth.paused},
                       {"atOnce", depth.concurrency_limit}});
}

Async<void> depths(Desk& desk) {
  const auto all = co_await desk.jobs.depths();
  if (desk.json) {
    Json array = Json::array();
    for (const KindDepth& depth : all) array.push(json_of(depth));
    print_json(array);
    co_return;
  }
  Table table({"KIND", "READY", "TO COME", "PROCESSING", "AT MOST", "OLDEST", "STATE"});
  for (const KindDepth& depth : all) {
    table.add({printable(depth.kind, 40), fmt::format("{}", depth.ready), fmt::format("{}", depth.to_come),
               fmt::format("{}", depth.processing),
               depth.concurrency_limit ? fmt::format("{}", *depth.concurrency_limit) : "",
               depth.ready > 0 ? shown_duration(depth.oldest) : "", depth.paused ? "paused" : "open"});
  }
  fmt::print("{}", table.text());
}

// ---- Changing ----------------------------------------------------------------------------------------------------

// What became of one job, for scripts or for people.
struct Fate {
  std::string id, what;
  bool well;
};

void print_fates(Desk& desk, const std::vector<Fate>& fates) {
  Json all = Json::array();
  Table table({"ID", "WHAT"});
  for (const Fate& fate : fates) {
    all.push(Json::object({{"id", fate.id}, {"what", fate.what}, {"ok", fate.well}}));
    table.add({fate.id, fate.what});
    if (!fate.well) desk.exit_status = 1;
  }
  if (desk.json) return print_json(all);
  fmt::print("{}", table.text());
}

Async<void> retry(Desk& desk) {
  for (std::string& id : desk.words) id = checked_id(id);
  std::vector<Fate> fates;
  for (const std::string& id : desk.words) {
    const bool retried = co_await desk.jobs.retry(id);
    const auto job = co_await desk.jobs.get(id);
    if (retried) {
      fates.push_back({id, "queued again", true});
      if (job) desk.events.publish_enqueued({job->kind});
    } else {
      fates.push_back(
          {id, job ? fmt::format("refused: it is {}, neither failed nor cancelled", name_of(job->status)) : "not there",
           false});
    }
  }
  co_await tell_out(desk);
  print_fates(desk, fates);
}

Async<Fate> cancel_one(Desk& desk, std::string id) {
  const CancelResult result = co_await desk.jobs.cancel(id);
  if (result.what == Cancelled::unknown) co_return Fate{id, "not there", false};
  if (result.what == Cancelled::too_late) co_return Fate{id, "refused: it has ended", false};
  const JobChange& change = *result.change;
  desk.events.publish({.id = id, .status = change.status, .number = change.event_number});
  if (result.what == Cancelled::at_once) co_return Fate{id, "cancelled", true};
  desk.events.publish_cancelled(id);
  co_return Fate{id, "to be cancelled by its runner", true};
}

Async<void> cancel(Desk& desk) {
  for (std::string& id : desk.words) id = checked_id(id);
  std::vector<Fate> fates;
  for (const std::string& id : desk.words) {
    Fate fate = co_await cancel_one(desk, id);
    fates.push_back(std::move(fate));
  }
  co_await tell_out(desk);
  print_fates(desk, fates);
}

Async<KindDepth> depth_of(Desk& desk, std::string kind) {
  const auto all = co_await desk.jobs.depths();
  std::string known;
  for (const KindDepth& depth : all) {
    if (depth.kind == kind) co_return depth;
    known += (known.empty() ? " There are: " : ", ") + depth.kind;
  }
  throw Refused(fmt::format("There is no kind {}.{}", printable(kind, 60), printable(known, 1000)));
}

Async<void> set_paused(Desk& desk, bool paused) {
  KindDepth depth = co_await depth_of(desk, desk.words[0]);
  if (paused) {
    co_await desk.jobs.pause(depth.kind);
  } else {
    co_await desk.jobs.resume(depth.kind);
    desk.events.publish_enqueued({depth.kind});
    co_await tell_out(desk);
  }
  depth.paused = paused;
  if (desk.json) {
    print_json(json_of(depth));
  } else {
    fmt::print("{} is {}; {} ready, {} to come, {} processing\n", depth.kind, paused ? "paused" : "open", depth.ready,
               depth.to_come, depth.processing);
  }
}

Async<void> pause(Desk& desk) { return set_paused(desk, true); }
Async<void> resume(Desk& desk) { return set_paused(desk, false); }

// ---- Draining ----------------------------------------------------------------------------------------------------

Async<std::int64_t> cancel_queued(Desk& desk, std::string kind, Clock::time_point until) {
  std::int64_t cancelled = 0;
  for (bool more = true; more && Clock::now() < until;) {
    const auto page = co_await desk.jobs.newest(kind, JobStatus::queued, kPage);
    for (const JobView& job : page) {
      const Fate fate = co_await cancel_one(desk, job.id);
      cancelled += fate.well;
    }
    more = !page.empty();
    co_await tell_out(desk);
  }
  co_return cancelled;
}

Async<void> drain(Desk& desk) {
  const auto until = Clock::now() + desk.timeout;
  KindDepth depth = co_await depth_of(desk, desk.words[0]);
  std::int64_t cancelled = 0;
  if (desk.cancel) cancelled = co_await cancel_queued(desk, depth.kind, until);
  std::string said;
  for (;; co_await sleep_for(500ms)) {
    depth = co_await depth_of(desk, depth.kind);
    const auto queued = depth.ready + depth.to_come;
    const std::string now =
        fmt::format("{} ready, {} to come, {} processing", depth.ready, depth.to_come, depth.processing);
    if (!desk.json && now != std::exchange(said, now)) fmt::print("{}\n", now), std::fflush(stdout);
    if (queued + depth.processing == 0) break;
    if (depth.paused && queued > 0)
      throw Refused(fmt::format("{} is paused: resume it, or drain with --cancel.", depth.kind));
    if (Clock::now() > until) {
      desk.complain(fmt::format("{} is not empty yet: {}.", depth.kind, now));
      break;
    }
  }
  if (desk.json)
    print_json(Json::object({{"kind", depth.kind}, {"drained", desk.exit_status == 0}, {"cancelled", cancelled}}));
  else if (cancelled > 0)
    fmt::print("cancelled {}\n", cancelled);
}

// ---- The program -------------------------------------------------------------------------------------------------

constexpr std::size_t kMany = 1000;
constexpr Verb<Desk> kVerbs[]{
    {"depths", "", "", "how much of each kind waits and is processing", 0, 0, depths},
    {"list", "", "[--kind K] [--status S] [--limit N]", "the newest jobs, 20 of them", 0, 0, list},
    {"show", "ID", "", "one job, with every attempt's error", 1, 1, show},
    {"retry", "ID...", "", "failed and cancelled jobs start anew", 1, kMany, retry},
    {"cancel", "ID...", "", "what is processing is told to stop", 1, kMany, cancel},
    {"pause", "KIND", "", "no job of the kind is begun any more", 1, 1, pause},
    {"resume", "KIND", "", "until now", 1, 1, resume},
    {"drain", "KIND", "[--cancel] [--timeout 10m]", "waits until none is queued or processing", 1, 1, drain},
};

// Throws UsageError.
void read_options(const Asked<Desk>& asked, Desk& desk) {
  SettingReader reader(asked.options);
  std::string status, flag;
  reader.text("--kind", desk.kind, "");
  reader.choice("--status", status, "any",
                {"any", name_of(JobStatus::queued), name_of(JobStatus::processing), name_of(JobStatus::completed),
                 name_of(JobStatus::failed), name_of(JobStatus::cancelled)});
  reader.integer("--limit", desk.limit, 20, 1, 1000);
  reader.duration("--timeout", desk.timeout, "10m", 1s, 24h);
  for (const char* name : {"--json", "--cancel"}) reader.text(name, flag, "");
  try {
    reader.finish();
  } catch (const Failure& wrong) {
    throw UsageError(wrong.what());
  }
  desk.status = kJobStatuses.find(status);
  desk.json = asked.options.contains("--json");
  desk.cancel = asked.options.contains("--cancel");
}

int run(const Asked<Desk>& asked) {
  SettingReader reader(asked.settings_file);
  Settings settings;
  settings.rows(reader);
  log_open("/dev/null", Severity::error);  // what goes wrong is told in one sentence, by main
  Reactor reactor;
  Database database(reactor, {.conninfo = settings.reports_database_url, .pool_max = 1});
  Redis redis(reactor, {.address = settings.redis_socket});
  JobEvents events(reactor, redis, {.address = settings.redis_socket});
  Jobs jobs(database);
  Desk desk{.jobs = jobs, .events = events, .redis = redis, .words = asked.words};
  read_options(asked, desk);
  run_to_end(reactor, database, asked.verb->run(desk));
  return desk.exit_status;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) {
  using namespace plugfleet;
  return run_told(kProgram, [&] {
    const auto asked = read_arguments<Desk>("jobs", kVerbs, "--cancel", {argv + 1, argv + argc});
    return asked.options.contains("--help") ? print_usage<Desk>("jobs", kVerbs) : run(asked);
  });
}
