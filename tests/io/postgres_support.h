// What the tests of the pool and of its connections share: real servers, and what became of queries.
#pragma once

#include <map>

#include "base/ids.h"
#include "io/postgres.h"
#include "support/async.h"
#include "support/check.h"
#include "support/servers.h"

namespace plugfleet::test {

inline DatabaseOptions pooled(int pool_max = 4) {
  return {.conninfo = conninfo("PLUGFLEET_TEST_DATABASE"), .pool_max = pool_max};
}
// Straight to PostgreSQL: what a backend does is seen at once, and backends can be terminated.
inline DatabaseOptions direct(int pool_max = 4) {
  return {.conninfo = conninfo("PLUGFLEET_TEST_POSTGRES"), .pool_max = pool_max};
}

// A name no other run uses; what is made under it is dropped at the end.
struct Scratch {
  explicit Scratch(Database& its_db) : db(its_db), name("test_" + random_hex(6)) {}
  Async<Rows> create(std::string columns) { return db.query("create table " + name + " " + columns); }
  Async<Rows> drop() { return db.query("drop table " + name); }
  Database& db;
  const std::string name;
};

struct Outcomes {
  int rows = 0, unavailable = 0, cancelled = 0, other = 0;
  std::vector<std::string> in_order;
  std::map<std::string, int> errors;

  void add(std::exception_ptr failure) {
    try {
      if (failure) std::rethrow_exception(failure);
      ++rows;
    } catch (const SqlError& error) {
      ++errors[error.sqlstate()];
    } catch (const Failure& thrown) {
      ++(thrown.kind() == FailureKind::unavailable ? unavailable
         : thrown.kind() == FailureKind::cancelled ? cancelled
                                                   : other);
    } catch (...) {
      ++other;
    }
  }
  int all() const {
    int sum = rows + unavailable + cancelled + other;
    for (const auto& [sqlstate, count] : errors) sum += count;
    return sum;
  }
};

inline Async<void> run_one(Database& db, std::string sql, std::shared_ptr<Outcomes> outcomes) {
  const Rows rows = co_await db.query(std::move(sql));
  if (!rows.empty()) outcomes->in_order.emplace_back(rows[0].text(0));
}

inline TaskPtr start(Reactor& reactor, Database& db, std::string sql, std::shared_ptr<Outcomes> outcomes) {
  return reactor.spawn(run_one(db, std::move(sql), outcomes),
                       [outcomes](std::exception_ptr failure) { outcomes->add(std::move(failure)); });
}

inline Async<Outcomes> outcome_of(Async<Rows> query) {
  Outcomes outcomes;
  try {
    const Rows rows = co_await std::move(query);
    outcomes.add(nullptr);
  } catch (...) {
    outcomes.add(std::current_exception());
  }
  co_return outcomes;
}
}  // namespace plugfleet::test
