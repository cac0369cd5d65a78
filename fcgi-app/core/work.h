// What a handler works with, whether it answers a request (core/call.h) or runs a job (core/job.h): code that takes a
// Work& serves both.
#pragma once

#include <string>

#include "core/ai/ai.h"
#include "core/jobs/jobs.h"
#include "core/services.h"

namespace plugfleet {

struct Platform;

class Work {
 public:
  Work(Platform& the_platform, Services& the_services, Trace trace)
      : services(the_services), platform(the_platform), trace_(std::move(trace)) {}
  virtual ~Work() = default;
  Work(const Work&) = delete;

  // When it is ended, come what may.
  virtual Clock::time_point deadline() const = 0;
  // How far it is, 0 to 100 percent. A request's goes nowhere.
  virtual void progress(int percent, std::string message) = 0;

  const Trace& trace() const { return trace_; }

  // Puts a job into the queue as part of a transaction of services.database: it is there, and runners are told, once
  // that has committed. It has this work's trace, and a request's user and address. Throws as Transaction::query does. Not for a
  // module with a database of its own: the queue is in the fleet's.
  //
  //   Transaction transaction = co_await call.services.database.begin();
  //   co_await transaction.query("insert into notes (id, title) values ($1, $2)", {id, title});
  //   co_await call.enqueue(transaction, {.kind = "notes.digest", .payload = payload, .user_email = email});
  //   co_await transaction.commit();
  Async<EnqueueResult> enqueue(Transaction& transaction, NewJob job);

  // Asks the AI (core/ai/ai.h), until deadline() at the latest.
  Async<Completion> complete(Prompt prompt);
  // Whether one of those calls was answered, or failed of something else than that the AI can't be asked for a while.
  bool tried() const { return tried_; }
  // What those calls have used so far; recorded with the job.
  const Usage& usage() const { return usage_; }
  // Spent in such calls so far, added up where they ran side by side.
  Clock::duration upstream_time() const { return upstream_time_; }

  Services& services;
  Platform& platform;  // for host/; to a module no more than a name

 protected:
  virtual void sign(NewJob& job) const { job.trace_id = trace_.id; }

 private:
  const Trace trace_;
  bool tried_ = false;
  Usage usage_;
  Clock::duration upstream_time_{};
};

}  // namespace plugfleet
