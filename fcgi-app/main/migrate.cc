// plugfleet-migrate: brings the database's schema up to date, and exits. Needs a database role that may create tables;
// reads the SQL files; writes nothing but the database. Several hosts may run it at once.
//
//   plugfleet-migrate [--database CONNINFO] [--root DIR]
//
// Without them: PLUGFLEET_DATABASE_URL, PLUGFLEET_MIGRATIONS_DIR and PLUGFLEET_MODULES_SOURCE_DIR.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "core/migrations.h"
#include "io/postgres.h"
#include "io/reactor.h"

namespace plugfleet {
namespace {

constexpr auto kPatience = 30s;         // for the database to come up
constexpr auto kSlowestStatement = 1h;  // an index on a large table, or another host's turn

struct Plan {
  std::string database, migrations, modules;
};

std::string environment(const char* name, const char* fallback) {
  const char* const value = std::getenv(name);
  return value && *value ? value : fallback;
}

std::optional<Plan> read_plan(int argc, char** argv) {
  Plan plan{environment("PLUGFLEET_DATABASE_URL", ""), environment("PLUGFLEET_MIGRATIONS_DIR", "migrations"),
            environment("PLUGFLEET_MODULES_SOURCE_DIR", "modules")};
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc) return std::nullopt;
    const std::string value = argv[i + 1];
    if (option == "--database") {
      plan.database = value;
    } else if (option == "--root") {
      plan.migrations = value + "/migrations";
      plan.modules = value + "/modules";
    } else {
      return std::nullopt;
    }
  }
  return plan;
}

Async<void> wait_for_database(Database& database) {
  const auto until = Clock::now() + kPatience;
  for (bool up = false; !up;) {
    try {
      co_await database.query("select 1");
      up = true;
    } catch (const Failure& failure) {
      if (failure.kind() != Kind::unavailable) throw;
      if (Clock::now() > until) throw Failure(Kind::unavailable, "no database: " + database.trouble());
    }
    if (!up) co_await sleep_for(100ms);
  }
}

Async<void> migrate(Database& database, Plan plan) {
  const std::vector<Migration> migrations = find_migrations(plan.migrations, plan.modules);
  co_await wait_for_database(database);
  const std::vector<std::string> pending = co_await pending_migrations(database, plan.migrations, plan.modules);
  if (pending.empty()) fmt::print("nothing to do\n");
  for (const Migration& migration : migrations) {
    try {
      const bool applied = co_await apply_migration(database, migration);
      if (applied) fmt::print("applied {}\n", migration.label());
    } catch (const SqlError& error) {
      throw Failure(Kind::internal, fmt::format("{}: {} ({})", migration.label(), error.primary(), error.sqlstate()));
    }
  }
}

int run(const Plan& plan) {
  log_open("/dev/null", Severity::error);  // what goes wrong is told in one sentence, below
  Reactor reactor;
  Database database(reactor, {.conninfo = plan.database, .pool_max = 1, .statement_timeout = kSlowestStatement});
  int status = 0;
  reactor.spawn(migrate(database, plan), [&](std::exception_ptr failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const std::exception& why) {
      fmt::print(stderr, "plugfleet-migrate: {}\n", why.what());
      status = 1;
    }
    reactor.stop();
  });
  reactor.run();
  return status;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) {
  const auto plan = plugfleet::read_plan(argc, argv);
  if (plan) return plugfleet::run(*plan);
  fmt::print(stderr, "usage: plugfleet-migrate [--database CONNINFO] [--root DIR]\n");
  return 2;
}
