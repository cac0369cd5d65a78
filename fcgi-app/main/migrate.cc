// plugfleet-migrate: brings the database's schema up to date, and exits. Needs a database role that may create tables;
// reads the settings and the SQL files; writes nothing but the database. Several hosts may run it at once.
//
//   plugfleet-migrate [--settings FILE]     REPORTS_DATABASE_URL, DATABASE_<MODULE>, MIGRATIONS_DIR and MODULES_SOURCE_DIR
//                                           say where
#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "base/log.h"
#include "core/migrations.h"
#include "io/postgres.h"
#include "io/reactor.h"
#include "main/arguments.h"

namespace plugfleet {
namespace {

constexpr auto kPatience = 30s;         // for the database to come up
constexpr auto kSlowestStatement = 1h;  // an index on a large table, or another host's turn

Async<void> wait_for_database(Database& database) {
  const auto until = Clock::now() + kPatience;
  for (bool up = false; !up;) {
    try {
      co_await database.query("select 1");
      up = true;
    } catch (const Failure& failure) {
      if (failure.kind() != FailureKind::unavailable) throw;
      if (Clock::now() > until) throw Failure(FailureKind::unavailable, "no database: " + database.trouble());
    }
    if (!up) co_await sleep_for(100ms);
  }
}

// Whether there was anything to do.
Async<bool> migrate(Database& database, Schema schema) {
  co_await wait_for_database(database);
  bool done_before = true;
  for (const Migration& migration : schema.migrations) {
    try {
      const bool applied = co_await apply_migration(database, migration);
      if (applied) fmt::print("applied {}\n", migration.label());
      done_before = done_before && !applied;
    } catch (const SqlError& error) {
      throw Failure(FailureKind::internal,
                    fmt::format("{}: {} ({})", migration.label(), error.primary(), error.sqlstate()));
    }
  }
  const AppliedFunctions functions = co_await apply_functions(database, std::move(schema));
  for (const std::string& label : functions.labels) fmt::print("applied {}\n", label);
  for (const std::string& component : functions.newer_than)
    fmt::print("left the functions of {} as a newer release made them\n", component);
  co_return !done_before || !functions.labels.empty();
}

// The fleet's database, then those that modules have of their own.
Async<void> migrate_all(Reactor& reactor, const Settings& settings) {
  const Schema schema = find_schema(settings.migrations_dir, settings.modules_source_dir);
  std::vector<std::pair<std::string, Schema>> databases{{settings.reports_database_url, schema}};
  for (const auto& [module, conninfo] : settings.module_databases) {
    databases[0].second = databases[0].second.without({module});
    databases.emplace_back(conninfo, schema.of(module));
  }
  bool anything = false;
  for (const auto& [conninfo, part] : databases) {
    Database database(reactor, {.conninfo = conninfo, .pool_max = 1, .statement_timeout = kSlowestStatement});
    const bool something = co_await migrate(database, part);
    anything = anything || something;
  }
  if (!anything) fmt::print("nothing to do\n");
}

int run(const Arguments& arguments) {
  SettingReader reader(arguments.settings_file);
  Settings settings;
  settings.rows(reader);
  log_open("/dev/null", Severity::error);  // what goes wrong is told in one sentence, by run_main
  Reactor reactor;
  std::exception_ptr failure;
  reactor.spawn(migrate_all(reactor, settings), [&](std::exception_ptr ended) {
    failure = std::move(ended);
    reactor.stop();
  });
  reactor.run();
  if (failure) std::rethrow_exception(failure);
  return 0;
}

}  // namespace
}  // namespace plugfleet

int main(int argc, char** argv) { return plugfleet::run_main("plugfleet-migrate", argc, argv, plugfleet::run); }
