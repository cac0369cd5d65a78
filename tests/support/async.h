// Runs one coroutine to its end on a reactor of its own; what it throws, the caller gets. A test that hangs fails after
// ten seconds.
#pragma once

#include <fmt/format.h>

#include <optional>

#include "io/reactor.h"
#include "support/check.h"

namespace plugfleet::test {

void run_async(Reactor& reactor, Async<void> body);

// What it failed with; none where it succeeds.
template <class T>
Async<std::optional<FailureKind>> failure_of(Async<T> work) {
  try {
    co_await std::move(work);
  } catch (const Failure& failure) {
    co_return failure.kind();
  } catch (const Cancellation&) {
    co_return FailureKind::cancelled;
  }
  co_return std::nullopt;
}

template <class Condition>
Async<void> until(const char* what, Condition condition) {
  for (const auto deadline = Clock::now() + 8s; !condition(); co_await sleep_for(1ms)) {
    if (Clock::now() > deadline) fail(fmt::format("in 8 s it never came true that {}", what));
  }
}

// Starts `count` coroutines and waits until all have ended; what one throws is thrown.
template <class Make>
Async<void> all_at_once(Reactor& reactor, int count, Make make) {
  int running = count;
  std::exception_ptr failure;
  for (int i = 0; i < count; ++i) {
    reactor.spawn(make(i), [&](std::exception_ptr ended) {
      --running;
      if (ended && !failure) failure = ended;
    });
  }
  while (running > 0) co_await sleep_for(1ms);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace plugfleet::test

// UNTIL(server.gone());   Waits for what another thread, process or task makes true.
#define UNTIL(...) co_await ::plugfleet::test::until(#__VA_ARGS__, [&] { return __VA_ARGS__; })

// ASYNC_TEST(a_late_reply_is_dropped) { co_await ...; }   `reactor` is the test's own.
#define ASYNC_TEST(name)                                                       \
  static ::plugfleet::Async<void> name##_body(::plugfleet::Reactor&);          \
  static void name() {                                                         \
    ::plugfleet::Reactor reactor;                                              \
    ::plugfleet::test::run_async(reactor, name##_body(reactor));               \
  }                                                                            \
  static const ::plugfleet::test::Registration registered_##name{#name, name}; \
  static ::plugfleet::Async<void> name##_body([[maybe_unused]] ::plugfleet::Reactor& reactor)
