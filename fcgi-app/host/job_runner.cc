#include "host/job_runner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "base/ids.h"
#include "base/log.h"
#include "host/job_outcome.h"

namespace plugfleet {
namespace {

constexpr int kConnections = 3;  // a claim, a heartbeat and an end at once
constexpr std::size_t kClaimMax = 500;
constexpr auto kBeatEvery = 1500ms;
constexpr auto kProgressEvery = 250ms;
constexpr auto kReleasedWait = 1000ms;  // before a job given back is claimed again
constexpr auto kKeepPatience = 5s;      // with the payload Redis down, for a result that carries images
constexpr auto kKeepAgain = 200ms;

std::string runner_name() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("{}:{}:{}", host.data(), ::getpid(), random_hex(4));
}

Gauge slot_gauge(std::string_view name, std::string_view help, const Settings& settings) {
  return gauge(name, fmt::format("pool=\"{}\",slot=\"{}\"", settings.pool, settings.slot), help);
}

Outcome given_back() { return {.what = JobOutcome::released}; }

}  // namespace

// A kind of job with its handler.
struct JobRunner::Served {
  explicit Served(JobHandler its_handler)
      : handler(std::move(its_handler)),
        seconds(histogram("plugfleet_job_seconds", fmt::format("kind=\"{}\"", handler.kind),
                          "How long an attempt at a job took.")) {}

  void count(std::string_view outcome) {
    auto found = finished.find(outcome);
    if (found == finished.end()) {
      const std::string labels = fmt::format("kind=\"{}\",outcome=\"{}\"", handler.kind, outcome);
      found = finished
                  .emplace(outcome,
                           counter("plugfleet_jobs_finished_total", labels, "Attempts at jobs, by what came of them."))
                  .first;
    }
    found->second.add();
  }

  const JobHandler handler;
  const Histogram seconds;
  std::map<std::string, Counter, std::less<>> finished;
  int running = 0;
};

struct JobRunner::Running {
  Running(Reactor& reactor, ClaimedJob its_claim, Served& its_kind)
      : claimed(std::move(its_claim)), kind(its_kind), timeout(reactor) {}

  const ClaimedJob claimed;
  Served& kind;
  const Clock::time_point began = Clock::now();
  Clock::time_point held_until;  // until then, by this process's clock, nobody else can have it
  Timer timeout;
  TaskPtr task;
  Stop stop = Stop::none;
  bool ended = false;  // its task has; what became of it may not be written yet

  Outcome outcome;     // as its handler returned it
  bool tried = false;  // Work::tried
  std::string stack;   // of what it threw
  bool result_apart = false;
  Clock::duration upstream{};
  Usage usage;

  int percent = 0;
  std::string message;
  bool progress_waits = false;
  TaskPtr telling;
};

JobRunner::JobRunner(Platform& platform, std::vector<JobHandler> handlers)
    : platform_(platform),
      reactor_(platform.reactor),
      database_(reactor_, {.conninfo = platform.settings.database_url, .pool_max = kConnections}),
      jobs_(database_, std::chrono::duration_cast<milliseconds>(platform.settings.job_lease)),
      claims_(reactor_, jobs_,
              slot_gauge("plugfleet_runner_last_poll_seconds", "When the runner last asked for jobs (Unix time).",
                         platform.settings),
              {.request = [this] { return request(); },
               .take = [this](ClaimedJob job, Clock::time_point asked) { take(std::move(job), asked); },
               .answer = [this](std::string kind) { return platform_.events.answer_enqueued(std::move(kind)); },
               .pass_on = [this](const auto& kinds) { platform_.events.publish_enqueued(kinds); },
               .stopped = [this] { perhaps_drained(); }}),
      completions_(reactor_, jobs_,
                   [this](std::vector<JobEnding> endings, std::vector<std::optional<JobChange>> changes) {
                     answered(std::move(endings), std::move(changes));
                   }),
      name_(runner_name()),
      room_(static_cast<std::size_t>(platform.settings.runner_jobs)),
      beat_timer_(reactor_),
      grace_timer_(reactor_),
      running_gauge_(slot_gauge("plugfleet_runner_running", "Jobs that the runner is at work on.", platform.settings)) {
  slot_gauge("plugfleet_runner_places", "Jobs that the runner works on at once at the most.", platform.settings)
      .set(platform.settings.runner_jobs);
  for (JobHandler& handler : handlers) {
    std::string kind = handler.kind;
    kinds_.emplace(std::move(kind), std::make_unique<Served>(std::move(handler)));
  }
}

JobRunner::~JobRunner() = default;

void JobRunner::start() {
  listening_.push_back(platform_.events.on_enqueued([this](std::string_view kind) {
    if (kinds_.contains(kind)) claims_.hear(kind);
  }));
  listening_.push_back(platform_.events.on_cancelled([this](std::string_view id) {
    for (auto at = running_.lower_bound({std::string(id), INT64_MIN}); at != running_.end() && at->first.first == id;
         ++at)
      stop(*at->second, Stop::cancelled);
  }));
  std::vector<JobKind> kinds;
  kinds.reserve(kinds_.size());
  for (const auto& [name, kind] : kinds_)
    kinds.push_back({.name = name,
                     .concurrency_limit = kind->handler.concurrency_limit,
                     .attempts = kind->handler.attempts,
                     .columns = kind->handler.columns});
  claims_.start(std::move(kinds));
  beat();
}

// For each kind, how many more may run here; no row where none may.
ClaimRequest JobRunner::request() const {
  assert(running_.size() <= room_);
  const std::size_t free = room_ - running_.size();
  ClaimRequest request{.capacity = {}, .batch = static_cast<int>(std::min(free, kClaimMax)), .runner = name_};
  for (const auto& [name, kind] : kinds_) {
    const int capacity = std::min(request.batch, kind->handler.concurrency_limit.value_or(INT_MAX) - kind->running);
    if (capacity > 0) request.capacity.emplace(name, capacity);
  }
  return request;
}

// ---- Running -----------------------------------------------------------------------------------------------------

void JobRunner::take(ClaimedJob claimed, Clock::time_point asked) {
  Served& kind = *kinds_.at(claimed.kind);
  auto running = std::make_shared<Running>(reactor_, std::move(claimed), kind);
  const ClaimedJob& job = running->claimed;
  running->held_until = asked + platform_.settings.job_lease;
  running_.emplace(std::pair(job.lease.id, job.lease.token), running);
  running_gauge_.set(static_cast<std::int64_t>(running_.size()));
  ++kind.running;
  if (draining_) return end(running, given_back());
  platform_.events.publish({.id = job.lease.id, .status = JobStatus::processing, .number = job.event_number});
  running->timeout.arm(kind.handler.timeout, [this, at = running.get()] { stop(*at, Stop::timed_out); });
  running->task = reactor_.spawn(run_job(running),
                                 [this, running](std::exception_ptr thrown) { ended(running, std::move(thrown)); });
}

Async<void> JobRunner::run_job(RunningPtr running) {
  std::optional<std::string> body = co_await take_body(running);
  if (!body) co_return;
  Job job(
      running->claimed, std::move(*body), running->began + running->kind.handler.timeout,
      [this, running](int percent, std::string message) { progress(running, percent, std::move(message)); }, platform_,
      platform_.services_of(running->kind.handler.module));
  struct Timed {
    const Job& job;
    Running& running;
    ~Timed() {
      running.tried = job.tried();
      running.upstream = job.upstream_time();
      running.usage = job.usage();
    }
  } const timed{job, *running};
  running->outcome = co_await running->kind.handler.run(job);
  if (running->outcome.what == JobOutcome::done && running->outcome.full_result) co_await keep_result(running);
}

// Empty where there is none to take; none where there should be one: the outcome says why.
Async<std::optional<std::string>> JobRunner::take_body(RunningPtr running) {
  const ClaimedJob& job = running->claimed;
  if (!job.has_body) co_return std::string();
  std::optional<std::string> body;
  bool down = false;
  try {
    body = co_await platform_.body_store.take_body(job.lease.id);
  } catch (const Failure& failure) {
    if (failure.kind() != FailureKind::unavailable) throw;
    down = true;
  }
  const bool expired = job.age > platform_.settings.job_payload_bound;
  if (down) {
    running->outcome = {.what = JobOutcome::released,
                        .code = code_of(FailureKind::unavailable),
                        .message = "what it was sent can't be read now",
                        .wait = kReleasedWait};
  } else if (!body) {
    running->outcome = {.what = JobOutcome::failed,
                        .code = code_of(expired ? FailureKind::payload_expired : FailureKind::payload_lost),
                        .message = expired ? "it waited for longer than what it was sent is kept"
                                           : "what it was sent was kept in memory, and is lost"};
  }
  co_return body;
}

Async<void> JobRunner::keep_result(RunningPtr running) {
  const std::string whole = *std::exchange(running->outcome.full_result, std::nullopt);
  for (const auto until = Clock::now() + kKeepPatience;; co_await sleep_for(kKeepAgain)) {
    try {
      co_await platform_.body_store.put_full_result(running->claimed.lease.id, whole);
      running->result_apart = true;
      co_return;
    } catch (const Failure& failure) {
      if (failure.kind() != FailureKind::unavailable || Clock::now() > until) throw;
    }
  }
}

void JobRunner::stop(Running& running, Stop why) {
  if (running.ended || running.stop != Stop::none) return;
  running.stop = why;
  running.task->cancel(Failure(FailureKind::cancelled, "the job was stopped"));
}

// What a handler that was stopped returned or threw does not count: it may have taken the stop for something else.
void JobRunner::ended(const RunningPtr& running, std::exception_ptr thrown) {
  switch (running->stop) {
    case Stop::lease_lost:
      running->ended = true;
      return forget(running, "lost");
    case Stop::cancelled:
      return end(running, cancel_job("it was cancelled"));
    case Stop::timed_out: {
      const double seconds = to_ms(running->kind.handler.timeout) / 1000;
      return end(running, {.what = JobOutcome::retry,
                           .code = code_of(FailureKind::timeout),
                           .message = fmt::format("it took longer than {} s", seconds)});
    }
    case Stop::out_of_touch:  // where another has it by now, this changes nothing
    case Stop::draining:
      return end(running, given_back());
    case Stop::none:
      break;
  }
  const ClaimedJob& job = running->claimed;
  Outcome outcome = thrown ? outcome_of(thrown, job, running->tried, running->stack) : std::move(running->outcome);
  if (thrown || job.has_body)  // otherwise it waits as its handler likes
    outcome = no_longer_than(std::move(outcome), job, platform_.settings.job_payload_bound);
  end(running, std::move(outcome));
}

void JobRunner::end(const RunningPtr& running, Outcome outcome) {
  running->ended = true;
  running->timeout.disarm();
  if (running->telling) running->telling->cancel(Failure(FailureKind::cancelled, "the job has ended"));
  JobEnding ending{.lease = running->claimed.lease,
                   .outcome = outcome.what,
                   .facts = std::move(outcome.facts),
                   .error_code = std::move(outcome.code),
                   .error_message = std::move(outcome.message),
                   .error_stack = std::move(running->stack),
                   .wait = outcome.wait,
                   .usage = running->usage};
  if (outcome.what == JobOutcome::done) {
    if (!outcome.result.is_null()) ending.result = outcome.result.dump();
    ending.result_apart = running->result_apart;
  }
  completions_.add(std::move(ending));
}

void JobRunner::progress(const RunningPtr& running, int percent, std::string message) {
  if (running->ended || running->stop != Stop::none) return;
  running->percent = std::clamp(percent, 0, 100);
  running->message = std::move(message);
  running->progress_waits = true;
  if (!running->telling || running->telling->ended())
    running->telling = reactor_.spawn(write_progress(running), [](std::exception_ptr) {});
}

// The latest counts: each write waits a moment for more, and a job that ends within that moment costs none. A write
// that fails is not tried again: the next one says more.
Async<void> JobRunner::write_progress(RunningPtr running) {
  while (running->progress_waits) {
    co_await sleep_for(kProgressEvery);
    running->progress_waits = false;
    JobEvent event{.progress = running->percent, .message = running->message};
    std::optional<JobChange> change;
    try {
      change = co_await jobs_.progress(running->claimed.lease, event.progress, event.message);
    } catch (const std::exception& failure) {
      log(Severity::debug, "progress_not_written", {{"id", running->claimed.lease.id}, {"what", failure.what()}});
    }
    if (running->ended) co_return;
    if (change) {
      event.id = change->id;
      event.status = change->status;
      event.number = change->event_number;
      platform_.events.publish(std::move(event));
    }
  }
}

// ---- Keeping leases ----------------------------------------------------------------------------------------------

void JobRunner::beat() {
  beat_timer_.arm(kBeatEvery, [this] { beat(); });
  const auto now = Clock::now();
  if (beating_ || beat_failed_) {
    for (const auto& [lease, running] : running_) {
      if (running->held_until < now) stop(*running, Stop::out_of_touch);
    }
  }
  if (beating_ || running_.empty()) return;
  beating_ = true;
  reactor_.spawn(heartbeat());
}

Async<void> JobRunner::heartbeat() {
  std::vector<JobLease> leases;
  leases.reserve(running_.size());
  for (const auto& [lease, running] : running_) leases.push_back(running->claimed.lease);
  const auto held_until = Clock::now() + platform_.settings.job_lease;
  std::vector<LeaseState> states;
  try {
    states = co_await jobs_.heartbeat(leases);
  } catch (const std::exception& failure) {
    log(Severity::warning, "heartbeat_failed", {{"jobs", leases.size()}, {"what", failure.what()}});
  }
  beating_ = false;
  beat_failed_ = states.empty();
  for (std::size_t i = 0; i < states.size(); ++i) {
    const auto found = running_.find({leases[i].id, leases[i].token});
    if (found == running_.end()) continue;
    found->second->held_until = held_until;
    if (states[i] == LeaseState::lost) stop(*found->second, Stop::lease_lost);
    if (states[i] == LeaseState::cancel_requested) stop(*found->second, Stop::cancelled);
  }
}

// ---- Ending ------------------------------------------------------------------------------------------------------

void JobRunner::answered(std::vector<JobEnding> endings, std::vector<std::optional<JobChange>> changes) {
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < endings.size(); ++i) {
    const RunningPtr running = running_.at({endings[i].lease.id, endings[i].lease.token});
    const auto& change = changes[i];
    if (!change) {
      forget(running, "lost");
      continue;
    }
    const bool waits = change->status == JobStatus::queued;
    platform_.events.publish({.id = change->id,
                              .status = change->status,
                              .number = change->event_number,
                              .progress = change->status == JobStatus::completed ? 100
                                          : waits                                ? 0
                                                                                 : running->percent,
                              .message = waits ? endings[i].error_message : running->message});
    if (!waits && running->claimed.has_body) bodies.push_back(change->id);
    forget(running, !waits                                       ? name_of(change->status)
                    : endings[i].outcome == JobOutcome::released ? "released"
                                                                 : "retried");
  }
  // What can't be forgotten now goes by itself in its time.
  if (!bodies.empty()) reactor_.spawn(platform_.body_store.forget_bodies(std::move(bodies)), [](std::exception_ptr) {});
}

void JobRunner::forget(const RunningPtr& running, std::string_view became) {
  const ClaimedJob& job = running->claimed;
  const auto took = Clock::now() - running->began;
  running->kind.count(became);
  if (became != "released") running->kind.seconds.observe(took);
  log(Severity::info, "job",
      {{"id", job.lease.id},
       {"kind", job.kind},
       {"trace", job.trace_id},
       {"attempt", job.attempt},
       {"outcome", became},
       {"ms", to_ms(took)},
       {"upstreamMs", to_ms(running->upstream)}});
  --running->kind.running;
  running_.erase({job.lease.id, job.lease.token});
  running_gauge_.set(static_cast<std::int64_t>(running_.size()));
  claims_.wake(running->kind.handler.concurrency_limit.has_value());  // its place in the fleet is free as well
  perhaps_drained();
}

void JobRunner::drain(Clock::duration grace, std::function<void()> drained) {
  draining_ = true;
  drained_ = std::move(drained);
  grace_timer_.arm(grace, [this] {
    for (const auto& [lease, running] : running_) stop(*running, Stop::draining);
  });
  claims_.stop();
  perhaps_drained();
}

void JobRunner::perhaps_drained() {
  if (!draining_ || claims_.running() || !running_.empty() || !drained_) return;
  listening_.clear();
  beat_timer_.disarm();
  grace_timer_.disarm();
  reactor_.later(std::exchange(drained_, {}));
}

}  // namespace plugfleet
