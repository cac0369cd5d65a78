// How a runner ends its jobs: what ends while a batch is being written goes with the next one. Nothing is given up
// while PostgreSQL is down: it is tried again until PostgreSQL has answered, and until then the caller counts each of
// these jobs as one it runs.
#pragma once

#include <functional>
#include <vector>

#include "core/jobs/jobs.h"
#include "io/reactor.h"

namespace plugfleet {

class JobCompletions {
 public:
  // With each ending, in order, what PostgreSQL made of it (as Jobs::finish says).
  using Answered = std::function<void(std::vector<JobEnding>, std::vector<std::optional<JobChange>>)>;

  // All outlive what has been added.
  JobCompletions(Reactor& reactor, Jobs& jobs, Answered answered);

  void add(JobEnding ending);

 private:
  Async<void> write_all();

  Reactor& reactor_;
  Jobs& jobs_;
  const Answered answered_;
  std::vector<JobEnding> waiting_;
  bool writing_ = false;
};

}  // namespace plugfleet
