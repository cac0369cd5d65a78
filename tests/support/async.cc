#include "support/async.h"

#include "support/check.h"

namespace plugfleet::test {

void run_async(Reactor& reactor, Async<void> body) {
  std::exception_ptr failure;
  bool ended = false;
  const TaskPtr task = reactor.spawn(std::move(body), [&](std::exception_ptr result) {
    failure = std::move(result);
    ended = true;
    reactor.stop();
  });
  Timer deadline(reactor);
  deadline.arm(30s, [&] { task->cancel(Failure(FailureKind::internal, "the test took longer than 30 s")); });
  reactor.run();
  if (failure) std::rethrow_exception(failure);
  if (!ended) fail("nothing is left that could end the test");
}

}  // namespace plugfleet::test
