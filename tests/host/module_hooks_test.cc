// What modules want done at a process's start and end.
#include "host/module_hooks.h"

#include "support/async.h"
#include "support/served.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

std::vector<std::string> seen;  // by the hooks, in order

Async<void> open_a(Services&) {
  seen.emplace_back("a begins");
  co_return;
}
Async<void> close_a(Services&) {
  seen.emplace_back("a ends");
  co_return;
}
Async<void> open_b(Services&) {
  co_await sleep_for(1ms);
  seen.emplace_back("b begins");
}
Async<void> break_down(Services&) {
  throw Failure(FailureKind::unavailable, "there is no disk");
  co_return;
}

std::vector<Module> modules() {
  return {{.name = "a", .start = open_a, .stop = close_a},
          {.name = "b", .start = open_b, .stop = break_down},
          {.name = "c"}};
}

}  // namespace

ASYNC_TEST(modules_start_in_order_and_stop_in_the_other) {
  seen.clear();
  WithPlatform with(reactor, {});
  with.platform->add_modules(modules());
  co_await start_modules(*with.platform, modules());
  CHECK_EQ(fmt::format("{}", fmt::join(seen, ", ")), "a begins, b begins");
  co_await stop_modules(*with.platform, modules());  // b's fails, and a has its turn all the same
  CHECK_EQ(seen.back(), "a ends");
}

ASYNC_TEST(a_start_that_fails_names_its_module) {
  WithPlatform with(reactor, {});
  std::vector<Module> all = modules();
  all[1].start = break_down;
  std::string said;
  try {
    co_await start_modules(*with.platform, all);
  } catch (const Failure& failure) {
    said = failure.message();
  }
  CHECK_EQ(said, "module b: its start failed: there is no disk");
}
