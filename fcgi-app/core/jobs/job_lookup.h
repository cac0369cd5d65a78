// Reads jobs for many who ask: what is asked while a statement is under way goes with the next one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/jobs/jobs.h"

namespace plugfleet {

class JobLookup {
 public:
  // `jobs` outlives it.
  JobLookup(Reactor& reactor, Jobs& jobs);
  ~JobLookup();  // what waits is told nothing
  JobLookup(const JobLookup&) = delete;

  // Calls `told` later: with the job, with null where there is none, or with what went wrong.
  using Told = std::function<void(const JobView* job, std::exception_ptr failure)>;
  void ask(std::string id, Told told);

  // Throws as Jobs::get_many does.
  Async<std::optional<JobView>> get(std::string id);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace plugfleet
