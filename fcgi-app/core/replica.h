// Reads that may be as old as REPLICA_LAG_MAX say so by asking this: the replica (REPLICA_DATABASE_URL) answers where it
// knows enough, and takes them off the primary; else, and where there is none, the primary does.
//
//   const auto listed = co_await call.services.replica.all<Plugin>("select id, name from plugins where published");
//
// What the same request has just written may not be there yet: read that from services.database. Only for reads.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "io/postgres.h"

namespace plugfleet {

// A database knows all that happened longer ago than this. Told by when count_usage() last wrote in it, which keepers
// have it do every 10 s: true of a replica that keeps up and of one that was cut off, paused or forgotten.
Async<milliseconds> lag_of(Database& database);

class Replica final : public Sql {
 public:
  // `primary` outlives it. An empty conninfo: there is no replica.
  Replica(Reactor& reactor, DatabaseOptions options, Clock::duration lag_max, Database& primary);

  // For several statements on one database: what `work` gives with the replica, or with `otherwise` where the replica
  // may lack too much or has failed. Throws what `work` throws with the latter, or of wrong data with either.
  template <class T>
  Async<T> read(std::function<Async<T>(Database&)> work, Database& otherwise) {
    const bool usable = co_await may_be_asked();
    if (usable) {
      try {
        T value = co_await work(*replica_);
        used();
        co_return value;
      } catch (const Failure& failure) {
        pass_over(failure);
      }
    }
    T value = co_await work(otherwise);
    co_return value;
  }

 private:
  Async<Rows> run(std::string sql, Params params) override;
  Async<bool> may_be_asked();
  void used();
  void pass_over(const Failure& failure);  // throws it where it is none of the replica's
  void pass_over(std::string why);

  std::optional<Database> replica_;
  const Clock::duration lag_max_;
  Database& primary_;
  // It knows enough until then, whatever becomes of it; it is not asked before then.
  Clock::time_point enough_until_{}, not_before_{};
  std::string passed_over_;  // why, the last time
};

}  // namespace plugfleet
