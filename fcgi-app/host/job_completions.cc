#include "host/job_completions.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"

namespace plugfleet {
namespace {

constexpr std::size_t kBatchMax = 500;
constexpr auto kPauseFirst = 50ms;
constexpr auto kPauseMost = 1000ms;

std::vector<JobEnding> take_batch(std::vector<JobEnding>& from) {
  if (from.size() <= kBatchMax) return std::exchange(from, {});
  const auto end = from.begin() + kBatchMax;
  std::vector<JobEnding> batch(std::move_iterator(from.begin()), std::move_iterator(end));
  from.erase(from.begin(), end);
  return batch;
}

}  // namespace

JobCompletions::JobCompletions(Reactor& reactor, Jobs& jobs, Answered answered)
    : reactor_(reactor), jobs_(jobs), answered_(std::move(answered)) {}

void JobCompletions::add(JobEnding ending) {
  waiting_.push_back(std::move(ending));
  if (std::exchange(writing_, true)) return;
  reactor_.later([this] { reactor_.spawn(write_all()); });  // together with what ends in this turn of the reactor
}

Async<void> JobCompletions::write_all() {
  milliseconds pause = kPauseFirst;
  while (!waiting_.empty()) {
    std::vector<JobEnding> batch = take_batch(waiting_);
    std::optional<std::vector<std::optional<JobChange>>> changes;
    try {
      changes = co_await jobs_.finish(batch);
    } catch (const std::exception& failure) {
      log(Severity::warning, "jobs_not_ended", {{"jobs", batch.size()}, {"what", failure.what()}});
    }
    if (changes) {
      pause = kPauseFirst;
      answered_(std::move(batch), std::move(*changes));
    } else {
      waiting_.insert(waiting_.begin(), std::move_iterator(batch.begin()), std::move_iterator(batch.end()));
      co_await sleep_for(pause);
      pause = std::min(2 * pause, kPauseMost);
    }
  }
  writing_ = false;
}

}  // namespace plugfleet
