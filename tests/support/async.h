// Runs one coroutine to its end on a reactor of its own; what it throws, the caller gets. A test that hangs fails after
// ten seconds.
#pragma once

#include "io/reactor.h"

namespace plugfleet::test {

void run_async(Reactor& reactor, Async<void> body);

}  // namespace plugfleet::test

// ASYNC_TEST(a_late_reply_is_dropped) { co_await ...; }   `reactor` is the test's own.
#define ASYNC_TEST(name)                                                       \
  static ::plugfleet::Async<void> name##_body(::plugfleet::Reactor&);          \
  static void name() {                                                         \
    ::plugfleet::Reactor reactor;                                              \
    ::plugfleet::test::run_async(reactor, name##_body(reactor));               \
  }                                                                            \
  static const ::plugfleet::test::Registration registered_##name{#name, name}; \
  static ::plugfleet::Async<void> name##_body([[maybe_unused]] ::plugfleet::Reactor& reactor)
