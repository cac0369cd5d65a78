// What the programs that stay (worker, runner, keeper) have in common: how they start, and how they run.
#pragma once

#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <ranges>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "core/migrations.h"
#include "core/module.h"
#include "core/platform.h"
#include "core/settings.h"
#include "host/module_hooks.h"
#include "host/routes/operator_routes.h"

namespace plugfleet {

// An image in memory must not reach a disk by way of a core dump; and a large body's memory goes back when it is freed.
inline void harden() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

inline Severity severity_of(const std::string& level) {
  return level == "debug"     ? Severity::debug
         : level == "warning" ? Severity::warning
         : level == "error"   ? Severity::error
                              : Severity::info;
}

// Before anything takes a metric cell. Throws Failure.
inline void start_process(const Settings& settings) {
  harden();
  log_open(settings.log_file, severity_of(settings.log_level));
  if (!settings.run_dir.empty())
    metrics_open(settings.run_dir + "/metrics", settings.pool, static_cast<int>(settings.slot));
}

// Throws Failure(internal) where the schema is behind this program.
inline Async<void> refuse_missing_migrations(Database& database, Schema schema) {
  const auto missing = co_await pending_migrations(database, std::move(schema));
  if (!missing.empty())
    throw Failure(FailureKind::internal,
                  fmt::format("the database lacks {}: run plugfleet-migrate", fmt::join(missing, ", ")));
}

// Throws what `check` throws. A database that is down is only logged: what needs none is done all the same.
inline Async<void> where_it_answers(Async<void> check) {
  try {
    co_await std::move(check);
  } catch (const Failure& failure) {
    if (failure.kind() != FailureKind::unavailable) throw;
    log(Severity::warning, "database_down_at_start", {});
  }
}

// The gauge plugfleet_ready: 1 while this process does its work, 0 before and while it drains. Scripts wait for it.
class Ready {
 public:
  void set(bool ready) { gauge_.set(ready ? 1 : 0); }

 private:
  Gauge gauge_ = gauge("plugfleet_ready", "", "1 while the process does its work.");
};

// Looked at every second. Between the small pieces that large bodies leave behind, whole pages stay free in malloc's
// heap (up to 35 MB after twenty bodies of 20 MB): they are given back now and then.
class MemoryWatch {
 public:
  // Resident bytes.
  std::size_t look() {
    std::size_t resident = resident_memory();
    if (resident > kWorthTrimming && ++looks_ % kTrimEvery == 0) {
      ::malloc_trim(0);
      resident = resident_memory();
    }
    gauge_.set(static_cast<std::int64_t>(resident));
    return resident;
  }

 private:
  static constexpr std::size_t kWorthTrimming = 48 << 20;
  static constexpr int kTrimEvery = 10;

  Gauge gauge_ = gauge("plugfleet_resident_bytes", "", "Memory that the process has resident.");
  int looks_ = 0;
};

inline Async<void> begin(Platform& platform, const std::vector<Module>& modules) {
  const Schema schema = find_schema(platform.settings.migrations_dir, platform.settings.modules_source_dir);
  const auto owners = std::views::keys(platform.settings.module_databases);
  const std::vector<std::string> elsewhere(owners.begin(), owners.end());
  co_await where_it_answers(refuse_missing_migrations(platform.database, schema.without(elsewhere)));
  for (const Module& module : modules) {
    if (platform.settings.module_databases.contains(module.name))
      co_await where_it_answers(
          refuse_missing_migrations(platform.services_of(module.name).database, schema.of(module.name)));
  }
  co_await where_it_answers(refuse_unpayable_jobs(platform, modules));
  co_await start_modules(platform, modules);
}

// Runs the reactor until somebody stops it; `start` is called once the schema is known to fit, or the database to be
// down, and `modules` have started. The exit status: 1, and a sentence on stderr, where the schema is behind, or a
// module's start failed.
inline int run_process(const char* program, Reactor& reactor, Platform& platform, const std::vector<Module>& modules,
                       std::function<void()> start) {
  int status = 0;
  reactor.spawn(begin(platform, modules), [&](std::exception_ptr failure) {
    if (!failure) return start();
    try {
      std::rethrow_exception(std::move(failure));
    } catch (const std::exception& why) {
      fmt::print(stderr, "{}: {}\n", program, why.what());
    }
    status = 1;
    reactor.stop();
  });
  reactor.run();
  return status;
}

}  // namespace plugfleet
