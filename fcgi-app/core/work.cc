#include "core/work.h"

namespace plugfleet {

Async<EnqueueResult> Work::enqueue(Transaction& transaction, NewJob job) {
  sign(job);
  return services.intake.enqueue(transaction, std::move(job));
}

Async<Completion> Work::complete(Prompt prompt) {
  struct Timed {
    Clock::duration& total;
    Clock::time_point begun = Clock::now();
    ~Timed() { total += Clock::now() - begun; }
  } const timed{upstream_time_};
  try {
    Completion completion = co_await services.ai.complete(std::move(prompt), trace_, deadline());
    tried_ = true;
    usage_ += completion.usage;
    co_return completion;
  } catch (const Failure& failure) {
    tried_ = tried_ || info(failure.kind()).retry != Retry::later;
    throw;
  }
}

}  // namespace plugfleet
