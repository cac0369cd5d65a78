// A database of a test's own, which needs a role that may create databases.
#pragma once

#include "base/ids.h"
#include "core/migrations.h"
#include "io/postgres_support.h"

namespace plugfleet::test {

inline std::string server() { return conninfo("PLUGFLEET_TEST_POSTGRES"); }

struct FreshDatabase {
  explicit FreshDatabase(Reactor& reactor) : admin(reactor, {.conninfo = server(), .pool_max = 1}) {}
  Async<void> create() { co_await admin.query("create database " + name + " template template0 encoding 'UTF8'"); }
  Async<void> drop() { co_await admin.query("drop database " + name + " with (force)"); }
  DatabaseOptions options() const { return {.conninfo = server() + " dbname=" + name}; }  // the last dbname counts

  const std::string name = "plugfleet_test_" + random_hex(6);
  Database admin;
};

inline Async<int> apply_all(Database& db, std::vector<Migration> migrations) {
  int applied = 0;
  for (const Migration& migration : migrations) {
    const bool now = co_await apply_migration(db, migration);
    applied += now ? 1 : 0;
  }
  co_return applied;
}

}  // namespace plugfleet::test
