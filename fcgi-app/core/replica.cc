#include "core/replica.h"

#include <utility>

#include "base/log.h"

namespace plugfleet {
namespace {

constexpr auto kPause = 1s;  // after the replica was passed over, until it is asked again

}  // namespace

Async<milliseconds> lag_of(Database& database) {
  return database.one<milliseconds>(
      "select (1000 * least(1e9, extract(epoch from now()) - extract(epoch from until)))::bigint as lag_ms "
      "from usage_counted");
}

Replica::Replica(Reactor& reactor, DatabaseOptions options, Clock::duration lag_max, Database& primary)
    : lag_max_(lag_max), primary_(primary) {
  if (!options.conninfo.empty()) replica_.emplace(reactor, std::move(options));
}

Async<bool> Replica::may_be_asked() {
  const auto now = Clock::now();
  if (!replica_ || now < not_before_) co_return false;
  if (now < enough_until_) co_return true;
  try {
    const milliseconds lag = co_await lag_of(*replica_);
    enough_until_ = now + lag_max_ - lag;
  } catch (const Failure& failure) {
    pass_over(failure);
    co_return false;
  }
  if (Clock::now() < enough_until_) co_return true;
  pass_over("it is too far behind");
  co_return false;
}

void Replica::used() {
  if (!std::exchange(passed_over_, {}).empty()) log(Severity::info, "replica_used_again", {});
}

void Replica::pass_over(const Failure& failure) {
  const auto* const error = dynamic_cast<const SqlError*>(&failure);
  if (error && error->fault() == SqlFault::data) throw;
  pass_over(std::string(failure.what()));
}

void Replica::pass_over(std::string why) {
  not_before_ = Clock::now() + kPause;
  enough_until_ = {};
  if (why != passed_over_) log(Severity::warning, "replica_passed_over", {{"why", why}});
  passed_over_ = std::move(why);
}

Async<Rows> Replica::run(std::string sql, Params params) {
  std::function<Async<Rows>(Database&)> work = [sql = std::move(sql), params = std::move(params)](Database& database) {
    return database.query(sql, params);
  };
  return read(std::move(work), primary_);
}

}  // namespace plugfleet
