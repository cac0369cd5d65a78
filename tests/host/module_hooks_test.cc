// What modules want done at a process's start and end.
#include "host/module_hooks.h"

#include "support/async.h"
#include "support/fresh_database.h"
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

namespace {

// What a process that has a kind with a price says at its start; empty: nothing.
Async<std::string> refusal(Reactor& reactor, Values settings) {
  WithPlatform with(reactor, settings);
  std::vector<Module> priced = modules();
  priced[0].jobs = {{.kind = "a.paid", .price = JobPrice{.most = 5}}};
  std::string said;
  try {
    co_await refuse_unpayable_jobs(*with.platform, modules());  // without a price there is nothing to refuse
    co_await refuse_unpayable_jobs(*with.platform, priced);
  } catch (const Failure& failure) {
    said = failure.message();
  }
  co_return said;
}

}  // namespace

ASYNC_TEST(a_price_needs_a_wallet_in_the_database_of_the_queue) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  {
    Database database(reactor, fresh.options());
    const Schema core = find_schema("migrations", "modules").of("core");
    co_await apply_all(database, core.migrations);
    co_await apply_functions(database, core);
  }
  const std::string none = co_await refusal(reactor, fresh.settings());
  CHECK_EQ(none, "jobs of kind a.paid have a price, and no module here keeps teams' credits");
  co_await fresh.migrate();
  const std::string fine = co_await refusal(reactor, fresh.settings());
  CHECK_EQ(fine, "");
  Values apart = fresh.settings();
  apart["DATABASE_WALLET"] = fresh.options().conninfo;
  const std::string elsewhere = co_await refusal(reactor, apart);
  CHECK_EQ(elsewhere,
           "jobs of kind a.paid have a price, and the module wallet, which keeps teams' credits, has a database of its "
           "own: a job and its credits must be in one");
  co_await fresh.drop();
}
