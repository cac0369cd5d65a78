// What a handler works with, whether it answers a request (core/call.h) or runs a job (core/job.h): code that takes a
// Work& serves both.
#pragma once

#include <string>

#include "core/platform.h"

namespace plugfleet {

class Work {
 public:
  Work(Platform& platform, Trace trace) : services(platform), trace_(std::move(trace)) {}
  virtual ~Work() = default;
  Work(const Work&) = delete;

  // When it is ended, come what may.
  virtual Clock::time_point deadline() const = 0;
  // How far it is, 0 to 100 percent. A request's goes nowhere.
  virtual void progress(int percent, std::string message) = 0;

  const Trace& trace() const { return trace_; }

  // Asks the AI (core/ai/ai.h), until deadline() at the latest.
  Async<Completion> complete(Prompt prompt);
  // Whether one of those calls was answered, or failed of something else than that the AI can't be asked for a while.
  bool tried() const { return tried_; }
  // What those calls have used so far; recorded with the job.
  const Usage& usage() const { return usage_; }
  // Spent in such calls so far, added up where they ran side by side.
  Clock::duration upstream_time() const { return upstream_time_; }

  Platform& services;

 private:
  const Trace trace_;
  bool tried_ = false;
  Usage usage_;
  Clock::duration upstream_time_{};
};

}  // namespace plugfleet
