#include "core/work.h"

namespace plugfleet {

Async<Completion> Work::complete(Prompt prompt) {
  struct Timed {
    Clock::duration& total;
    Clock::time_point begun = Clock::now();
    ~Timed() { total += Clock::now() - begun; }
  } const timed{upstream_time_};
  Completion completion = co_await services.ai.complete(std::move(prompt), trace_, deadline());
  usage_ += completion.usage;
  co_return completion;
}

}  // namespace plugfleet
