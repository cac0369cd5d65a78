#include "wallet/ledger.h"

#include <fmt/format.h>

namespace wallet {

namespace {

constexpr std::string_view kTooFewCredits = "23402";  // as wallet_hold() refuses

// In UTC, as the contract has it. (A wallet with a database of its own has no function of the platform's.)
constexpr const char* kHold = R"sql(
select id, state, amount, captured, reason, job_id, to_char(made_at at time zone 'UTC', format) as made_at,
       to_char(expires_at at time zone 'UTC', format) as expires_at
  from wallet_holds, (values ('YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) as f(format) where id = $1 and team_id = $2)sql";

constexpr const char* kOverdue =
    "select id from wallet_holds where state = 'open' and expires_at <= now() order by expires_at limit 1000";

}  // namespace

Async<std::int64_t> grant(Sql& sql, std::string team, std::int64_t amount, std::string reason) {
  return sql.one<std::int64_t>("select wallet_grant($1, $2, $3)", team, amount, reason);
}

Async<Hold> hold(Transaction& transaction, std::string team, std::int64_t amount, std::string reason,
                 std::chrono::seconds expires_in) {
  std::string id;
  try {
    id = co_await transaction.one<std::string>("select wallet_hold($1, $2, $3, now() + $4 * interval '1 s')", team,
                                               amount, reason, expires_in.count());
  } catch (const SqlError& error) {
    if (error.sqlstate() != kTooFewCredits) throw;
    throw Failure(FailureKind::insufficient_credits, error.primary());
  }
  Hold made = co_await transaction.one<Hold>(kHold, id, team);
  co_return made;
}

Async<Hold> settle(Transaction& transaction, std::string team, std::string hold, std::int64_t amount,
                   std::string_view becomes) {
  const auto id = canonical_uuid(hold);
  std::optional<Hold> found;
  if (id) found = co_await transaction.maybe<Hold>(kHold, *id, team);
  if (!found || found->job_id) throw Failure(FailureKind::not_found, "the team has no such hold");
  if (amount > found->amount)
    throw Failure(FailureKind::unprocessable, fmt::format("{} credits were held", found->amount))
        .details({{"amount", fmt::format("must be at most {}", found->amount)}});
  const auto was = co_await transaction.one<std::string>("select wallet_settle($1, $2, $3)", *id, amount, becomes);
  if (was != "open") throw Failure(FailureKind::conflict, fmt::format("the hold is {}", was));
  Hold settled = co_await transaction.one<Hold>(kHold, *id, team);
  co_return settled;
}

Async<std::size_t> expire_holds(Database& database) {
  std::size_t count = 0;
  for (;;) {
    const auto overdue = co_await database.all<std::string>(kOverdue);
    if (overdue.empty()) co_return count;
    for (const std::string& id : overdue) co_await database.query("select wallet_settle($1, 0, 'expired')", {id});
    count += overdue.size();
  }
}

Async<std::optional<Json>> answer_before(Transaction& transaction, std::string key, std::string digest) {
  const Rows mine = co_await transaction.query(
      "insert into wallet_keys (key, digest) values ($1, $2) on conflict do nothing", {key, digest});
  if (mine.affected() == 1) co_return std::nullopt;
  const Rows before = co_await transaction.query("select digest, answer from wallet_keys where key = $1", {key});
  if (before[0].text("digest") != digest)
    throw Failure(FailureKind::unprocessable, "this Idempotency-Key came before, with another request");
  co_return Json::parse(before[0].text("answer"));
}

Async<void> remember_answer(Transaction& transaction, std::string key, Json answer) {
  co_await transaction.query("update wallet_keys set answer = $2 where key = $1", {key, answer.dump()});
}

}  // namespace wallet
