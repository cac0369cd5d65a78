#include "core/jobs/job_lookup.h"

#include <deque>
#include <unordered_map>
#include <unordered_set>

namespace plugfleet {
namespace {

constexpr std::size_t kBatchMax = 500;

}  // namespace

struct JobLookup::State {
  struct Question {
    std::string id;
    Told told;
  };

  static Async<void> answer_all(std::shared_ptr<State> self);
  std::vector<Question> next_batch();

  Reactor& reactor;
  Jobs* jobs;  // null when nobody asks any more
  std::deque<Question> waiting;
  bool answering = false;
};

std::vector<JobLookup::State::Question> JobLookup::State::next_batch() {
  std::vector<Question> batch;
  while (!waiting.empty() && batch.size() < kBatchMax) {
    batch.push_back(std::move(waiting.front()));
    waiting.pop_front();
  }
  return batch;
}

Async<void> JobLookup::State::answer_all(std::shared_ptr<State> self) {
  while (self->jobs && !self->waiting.empty()) {
    std::vector<Question> batch = self->next_batch();
    std::unordered_set<std::string> ids;
    for (const Question& question : batch) ids.insert(question.id);
    std::unordered_map<std::string, JobView> found;
    std::exception_ptr failure;
    try {
      auto views = co_await self->jobs->get_many({ids.begin(), ids.end()});
      for (JobView& view : views) found.emplace(view.id, std::move(view));
    } catch (...) {
      failure = std::current_exception();
    }
    if (!self->jobs) break;
    for (const Question& question : batch) {
      const auto job = found.find(question.id);
      question.told(job == found.end() ? nullptr : &job->second, failure);
    }
  }
  self->answering = false;
}

JobLookup::JobLookup(Reactor& reactor, Jobs& jobs) : state_(std::make_shared<State>(reactor, &jobs)) {}

JobLookup::~JobLookup() {
  state_->jobs = nullptr;
  state_->waiting.clear();
}

void JobLookup::ask(std::string id, Told told) {
  state_->waiting.push_back({std::move(id), std::move(told)});
  if (!std::exchange(state_->answering, true)) state_->reactor.spawn(State::answer_all(state_));
}

Async<std::optional<JobView>> JobLookup::get(std::string id) {
  struct Answer {
    Waiter told;
    std::optional<JobView> job;
    std::exception_ptr failure;
  };
  const auto answer = std::make_shared<Answer>();
  ask(std::move(id), [answer](const JobView* job, std::exception_ptr failure) {
    if (job) answer->job = *job;
    answer->failure = std::move(failure);
    answer->told.resume();
  });
  co_await answer->told.wait();
  if (answer->failure) std::rethrow_exception(answer->failure);
  co_return std::move(answer->job);
}

}  // namespace plugfleet
