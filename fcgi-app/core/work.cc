#include "core/work.h"

#include <stdexcept>

#include "core/platform.h"

namespace plugfleet {

Async<EnqueueResult> Work::enqueue(Transaction& transaction, NewJob job) {
  if (&services.database != &platform.database)
    throw std::logic_error(
        "a job can't be part of a transaction of a module's own database: the queue is in the fleet's");
  sign(job);
  return platform.intake.enqueue(transaction, std::move(job));
}

Async<Completion> Work::complete(Prompt prompt) {
  struct Timed {
    Clock::duration& total;
    Clock::time_point begun = Clock::now();
    ~Timed() { total += Clock::now() - begun; }
  } const timed{upstream_time_};
  try {
    Completion completion = co_await platform.ai.complete(std::move(prompt), trace_, deadline());
    tried_ = true;
    usage_ += completion.usage;
    co_return completion;
  } catch (const Failure& failure) {
    tried_ = tried_ || info(failure.kind()).retry != Retry::later;
    throw;
  } catch (const Cancellation&) {
    tried_ = true;
    throw;
  }
}

}  // namespace plugfleet
