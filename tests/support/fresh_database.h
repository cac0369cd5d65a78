// A database of a test's own, empty, which needs a role that may create databases. `make t` starts a PostgreSQL for a test
// that includes this.
//
//   FreshDatabase database(reactor);
//   co_await database.create();
//   co_await database.migrate();      // all that the platform and the modules have
//   ModuleTest module(reactor, database.settings());
//   ...
//   co_await database.drop();
#pragma once

#include <map>

#include "base/ids.h"
#include "core/migrations.h"
#include "support/async.h"
#include "support/servers.h"

namespace plugfleet::test {

inline std::string server() { return conninfo("PLUGFLEET_TEST_POSTGRES"); }

inline Async<int> apply_all(Database& db, std::vector<Migration> migrations) {
  int applied = 0;
  for (const Migration& migration : migrations) {
    const bool now = co_await apply_migration(db, migration);
    applied += now ? 1 : 0;
  }
  co_return applied;
}

struct FreshDatabase {
  explicit FreshDatabase(Reactor& its_reactor)
      : reactor(its_reactor), admin(reactor, {.conninfo = server(), .pool_max = 1}) {}
  Async<void> create() { co_await admin.query("create database " + name + " template template0 encoding 'UTF8'"); }
  Async<void> migrate() {
    Database database(reactor, options());
    const Schema schema = find_schema("migrations", "modules");
    co_await apply_all(database, schema.migrations);
    co_await apply_functions(database, schema);
  }
  Async<void> drop() { co_await admin.query("drop database " + name + " with (force)"); }

  DatabaseOptions options() const { return {.conninfo = server() + " dbname=" + name}; }  // the last dbname counts
  std::map<std::string, std::string> settings() const { return {{"DATABASE_URL", options().conninfo}}; }

  const std::string name = "plugfleet_test_" + random_hex(6);
  Reactor& reactor;
  Database admin;
};

}  // namespace plugfleet::test
