#include "host/module_hooks.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "base/log.h"
#include "io/parallel.h"

namespace plugfleet {
namespace {

constexpr auto kStartTime = 10s;
constexpr auto kStopTime = 3s;

using Hook = std::function<Async<void>(Services&)>;

Async<void> run_hook(const Hook& hook, Services& services, bool& ended) {
  co_await hook(services);
  ended = true;
}

// Throws what the hook throws, or a Failure that says how long it had.
Async<void> run_within(Reactor& reactor, const Hook& hook, Services& services, Clock::duration time) {
  bool ended = false;
  std::function<Async<void>(std::size_t)> run = [&](std::size_t) { return run_hook(hook, services, ended); };
  co_await for_each_parallel(reactor, 1, {.width = 1, .deadline = Clock::now() + time}, std::move(run));
  if (!ended) throw Failure(FailureKind::internal, fmt::format("took longer than {} ms", to_ms(time)));
}

}  // namespace

Async<void> refuse_unpayable_jobs(Platform& platform, const std::vector<Module>& modules) {
  const JobHandler* priced = nullptr;
  for (const Module& module : modules) {
    for (const JobHandler& job : module.jobs) {
      if (job.price) priced = &job;
    }
  }
  if (!priced) co_return;
  const auto owner = co_await platform.database.maybe<std::string>(
      "select component from schema_functions where name = 'hold_for_job'");
  if (!owner)
    throw Failure(FailureKind::internal,
                  fmt::format("jobs of kind {} have a price, and no module here keeps teams' credits", priced->kind));
  if (platform.settings.module_databases.contains(*owner))
    throw Failure(FailureKind::internal,
                  fmt::format("jobs of kind {} have a price, and the module {}, which keeps teams' credits, has a "
                              "database of its own: a job and its credits must be in one",
                              priced->kind, *owner));
}

Async<void> start_modules(Platform& platform, const std::vector<Module>& modules) {
  for (const Module& module : modules) {
    if (!module.start) continue;
    try {
      co_await run_within(platform.reactor, module.start, platform.services_of(module.name), kStartTime);
    } catch (const std::exception& failure) {
      throw Failure(FailureKind::internal, fmt::format("module {}: its start failed: {}", module.name, failure.what()));
    }
  }
}

Async<void> stop_modules(Platform& platform, const std::vector<Module>& modules) {
  for (const Module& module : modules | std::views::reverse) {
    if (!module.stop) continue;
    try {
      co_await run_within(platform.reactor, module.stop, platform.services_of(module.name), kStopTime);
    } catch (const std::exception& failure) {
      log(Severity::warning, "module_stop_failed", {{"module", module.name}, {"why", failure.what()}});
    }
  }
}

}  // namespace plugfleet
