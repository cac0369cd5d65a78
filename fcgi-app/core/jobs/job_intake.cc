#include "core/jobs/job_intake.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <set>
#include <stdexcept>
#include <utility>

#include "base/log.h"

namespace plugfleet {
namespace {

constexpr std::size_t kBatchMax = 200;
constexpr int kWritersMax = 1;  // statements under way at once: with two, each takes half as many jobs at the same cost
constexpr int kTries = 3;       // a database that lost its connections (restarted, say) is asked again
constexpr auto kAgainAfter = 100ms;

struct Entry {
  NewJob job;
  Waiter ended;
  EnqueueResult result{};
  std::exception_ptr failure;
};
using Batch = std::vector<std::shared_ptr<Entry>>;

// Whether PostgreSQL objects to a row of the statement: data it can't store, or a constraint.
bool blames_a_row(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const SqlError& error) {
    return error.fault() == SqlFault::data;
  } catch (const Failure& failure) {
    return failure.kind() == FailureKind::unprocessable;
  } catch (...) {
    return false;
  }
}

}  // namespace

// Entries wait in `line` until a writer takes them, many at once. A writer answers every entry it took, whether or not
// somebody still waits for it, and forgets the bodies of those that made no job: a caller who leaves needn't.
struct JobIntake::State {
  Reactor& reactor;
  Jobs& jobs;
  BodyStore& payloads;
  JobEvents& events;
  std::deque<std::shared_ptr<Entry>> line = {};
  std::size_t taken = 0;  // by writers, and not answered yet
  int writers = 0;
  bool starting = false;
  Taker taker = {};
  std::map<std::string, JobPrice> prices = {};

  void price(NewJob& job) const;
  using Ptr = std::shared_ptr<State>;
  static void start_writer(const Ptr& self);
  static Async<void> write_line(Ptr self);
  static Async<void> write_alone(Ptr self, std::shared_ptr<Entry> entry);
  static Async<void> write(Ptr self, Batch batch);
  static void forget(const Ptr& self, std::vector<std::string> ids);
  static void settle(const Ptr& self, const Batch& batch);
};

// Not at once: whoever else comes in this turn of the reactor is to go with it.
void JobIntake::State::start_writer(const Ptr& self) {
  if (self->writers == kWritersMax || std::exchange(self->starting, true)) return;
  self->reactor.later([self] {
    self->starting = false;
    ++self->writers;
    self->reactor.spawn(write_line(self));
  });
}

Async<void> JobIntake::State::write_line(Ptr self) {
  while (!self->line.empty()) {
    const auto end = self->line.begin() + static_cast<std::ptrdiff_t>(std::min(self->line.size(), kBatchMax));
    Batch batch(std::make_move_iterator(self->line.begin()), std::make_move_iterator(end));
    self->line.erase(self->line.begin(), end);
    self->taken += batch.size();
    co_await write(self, batch);
    self->taken -= batch.size();
    settle(self, batch);
  }
  --self->writers;
}

// Of a job that has a price: others need not wait for its team's wallet, nor be put back where that has too little.
Async<void> JobIntake::State::write_alone(Ptr self, std::shared_ptr<Entry> entry) {
  ++self->taken;
  const Batch batch{entry};
  co_await write(self, batch);
  --self->taken;
  settle(self, batch);
}

// Fills every entry of the batch in. Never throws.
Async<void> JobIntake::State::write(Ptr self, Batch batch) {
  std::vector<NewJob> jobs;
  for (const auto& entry : batch) jobs.push_back(entry->job);
  std::exception_ptr failure;
  for (int tries_left = kTries; tries_left > 0; --tries_left) {
    failure = nullptr;
    bool lost = false;
    try {
      const auto results = co_await self->jobs.enqueue(jobs);
      for (std::size_t i = 0; i < batch.size(); ++i) batch[i]->result = results[i];
    } catch (const Failure& thrown) {
      failure = std::current_exception();
      lost = thrown.kind() == FailureKind::unavailable;
    } catch (...) {
      failure = std::current_exception();
    }
    if (!lost) break;
    if (tries_left > 1) co_await sleep_for(kAgainAfter);
  }
  if (failure && blames_a_row(failure)) {
    if (batch.size() == 1) {
      log(Severity::warning, "job_refused", {{"kind", jobs.front().kind}, {"trace", jobs.front().trace_id}});
      failure =
          std::make_exception_ptr(Failure(FailureKind::unprocessable, "the job holds something that can't be stored"));
    } else {  // the halves without it go in whole
      const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
      co_await write(self, Batch(batch.begin(), middle));
      co_await write(self, Batch(middle, batch.end()));
      co_return;
    }
  }
  for (const auto& entry : batch) entry->failure = failure;
}

void JobIntake::State::settle(const Ptr& self, const Batch& batch) {
  std::set<std::string> kinds;
  std::vector<std::string> without_job;
  for (const auto& entry : batch) {
    // One that is found under its own id was enqueued by the try whose answer was lost.
    const bool created =
        !entry->failure && entry->result.what != Enqueued::conflict && entry->result.id == entry->job.id;
    if (created) entry->result.what = Enqueued::created;
    if (created && entry->job.delay <= milliseconds(0)) kinds.insert(entry->job.kind);
    if (!created && entry->job.has_body) without_job.push_back(entry->job.id);
    entry->ended.resume();
  }
  if (!kinds.empty()) self->events.publish_enqueued({kinds.begin(), kinds.end()});
  if (!without_job.empty()) forget(self, std::move(without_job));
}

// Behind everybody's back; what that fails to forget is gone when its time is over.
void JobIntake::State::forget(const Ptr& self, std::vector<std::string> ids) {
  self->reactor.spawn(self->payloads.forget_bodies(std::move(ids)), [](std::exception_ptr) {});
}

JobIntake::JobIntake(Reactor& reactor, Jobs& jobs, BodyStore& payloads, JobEvents& events)
    : state_(std::make_shared<State>(State{reactor, jobs, payloads, events})) {}

std::size_t JobIntake::waiting() const { return state_->line.size() + state_->taken; }

void JobIntake::State::price(NewJob& job) const {
  const auto found = prices.find(job.kind);
  if (found == prices.end()) return;
  if (!job.team) throw std::logic_error(fmt::format("a job of kind {} has a price, and no team that pays", job.kind));
  job.price = found->second;
}

void JobIntake::set_prices(std::map<std::string, JobPrice> prices) { state_->prices = std::move(prices); }
bool JobIntake::has_price(const std::string& kind) const { return state_->prices.contains(kind); }

void JobIntake::give_to(Taker taker) { state_->taker = std::move(taker); }

Async<EnqueueResult> JobIntake::enqueue(NewJob job, std::string_view body) {
  const auto state = state_;
  job.has_body = !body.empty();
  state->price(job);
  if (state->taker) co_return state->taker(std::move(job), body);
  const auto entry = std::make_shared<Entry>(std::move(job));
  if (entry->job.has_body) {
    try {
      co_await state->payloads.put_body(entry->job.id, body);
    } catch (...) {  // it may have arrived all the same
      State::forget(state, {entry->job.id});
      throw;
    }
  }
  if (entry->job.price) {
    state->reactor.spawn(State::write_alone(state, entry));
  } else {
    state->line.push_back(entry);
    State::start_writer(state);
  }
  co_await entry->ended.wait();
  if (entry->failure) std::rethrow_exception(entry->failure);
  co_return entry->result;
}

Async<EnqueueResult> JobIntake::enqueue(Transaction& transaction, NewJob job) {
  const auto state = state_;
  state->price(job);
  if (state->taker) {
    EnqueueResult taken{Enqueued::created, job.id};
    transaction.on_commit([state, job = std::move(job)] { state->taker(job, {}); });
    co_return taken;
  }
  const std::string kind = job.kind;
  const bool due = job.delay <= milliseconds(0);
  std::vector<NewJob> jobs;
  jobs.push_back(std::move(job));
  const auto results = co_await Jobs::enqueue(transaction, std::move(jobs));
  if (due && results[0].what == Enqueued::created) {
    transaction.on_commit([state, kind] { state->events.publish_enqueued({kind}); });
  }
  co_return results[0];
}

}  // namespace plugfleet
