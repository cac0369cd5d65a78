// What the programs that stay (worker, runner, keeper) have in common: how they start, and what one that could not
// start says.
#pragma once

#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <string>

#include "base/log.h"
#include "base/metrics.h"
#include "core/migrations.h"
#include "core/platform.h"
#include "core/settings.h"
#include "host/operator_routes.h"

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

// Throws Failure(internal) where the schema is behind this program. A database that is down is only logged.
inline Async<void> refuse_missing_migrations(Platform& platform) {
  try {
    const auto missing = co_await pending_migrations(platform.database, platform.settings.migrations_dir,
                                                     platform.settings.modules_source_dir);
    if (missing.empty()) co_return;
    throw Failure(Kind::internal,
                  fmt::format("the database lacks {}: run plugfleet-migrate", fmt::join(missing, ", ")));
  } catch (const Failure& failure) {
    if (failure.kind() != Kind::unavailable) throw;
    log(Severity::warning, "database_down_at_start", {});  // what needs no database is done all the same
  }
}

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

  Gauge gauge_ = gauge("plugfleet_resident_bytes");
  int looks_ = 0;
};

inline void say_why(const char* program, std::exception_ptr failure) {
  try {
    std::rethrow_exception(std::move(failure));
  } catch (const std::exception& why) {
    fmt::print(stderr, "{}: {}\n", program, why.what());
  }
}

}  // namespace plugfleet
