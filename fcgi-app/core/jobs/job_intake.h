// How a process puts jobs into the queue: what comes while a statement is under way goes with the next one, so that a
// crowd of requests costs PostgreSQL few transactions. A job is durable before enqueue() returns.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/jobs/body_store.h"
#include "core/jobs/job_events.h"
#include "core/jobs/jobs.h"
#include "io/reactor.h"

namespace plugfleet {

class JobIntake {
 public:
  JobIntake(Reactor& reactor, Jobs& jobs, BodyStore& payloads, JobEvents& events);

  // `body` (empty: none) is kept in the payload Redis for the job; a view that lives until this returns. Throws
  // Failure: unavailable (nothing is left behind), unprocessable (PostgreSQL can't store what it says).
  Async<EnqueueResult> enqueue(NewJob job, std::string_view body = {});

  // The kinds that have a price. A job of such a kind goes in a transaction of its own, with its hold: both throw
  // Failure(insufficient_credits) where its team has too few; one without a team is a mistake of the program's.
  void set_prices(std::map<std::string, JobPrice> prices);
  bool has_price(const std::string& kind) const;

  // As part of the caller's transaction, which outlives the call: the job is there, and runners are told, once that has
  // committed; nothing of either where it is rolled back. Throws as Transaction::query does.
  Async<EnqueueResult> enqueue(Transaction& transaction, NewJob job);

  std::size_t waiting() const;

  // For tests: what is enqueued from now on goes to `taker`, and nowhere else; with a transaction, once that commits.
  using Taker = std::function<EnqueueResult(NewJob job, std::string_view body)>;
  void give_to(Taker taker);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace plugfleet
