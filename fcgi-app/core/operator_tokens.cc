#include "core/operator_tokens.h"

#include "base/digest.h"
#include "core/new_token.h"

namespace plugfleet {
namespace {

constexpr std::string_view kPrefix = "pft_";
constexpr std::size_t kTokenLength = kPrefix.size() + kTokenRandomLength;

constexpr const char* kFind = R"sql(
with found as (
  select id, coalesce(extract(epoch from expires_at - clock_timestamp()), 3600) as seconds from operator_tokens
   where token_hash = decode($1, 'hex') and revoked_at is null
     and (expires_at is null or expires_at > clock_timestamp())
), used as (
  update operator_tokens t set last_used_at = now() from found
   where t.id = found.id and (last_used_at is null or last_used_at < now() - interval '1 minute')
)
select (least(seconds, 3600) * 1000)::bigint as ms from found)sql";

constexpr const char* kCreate = R"sql(
insert into operator_tokens (name, token_hash, expires_at) values ($1, decode($2, 'hex'), now() + $3 * interval '1 s')
    on conflict (name) do nothing)sql";

constexpr const char* kList = R"sql(
select name, to_char(created_at at time zone 'UTC', format) as created_at,
       to_char(expires_at at time zone 'UTC', format) as expires_at,
       to_char(revoked_at at time zone 'UTC', format) as revoked_at,
       to_char(last_used_at at time zone 'UTC', format) as last_used_at,
       case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'good' end as state
  from operator_tokens as t, (values ('YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) as f(format)
 order by t.created_at, name)sql";

// The old one gets the name "NAME before TIME"; its end is never put off.
constexpr const char* kReplace = R"sql(
with was as (
  select id, expires_at - created_at as lifetime from operator_tokens where name = $1 and revoked_at is null for update
), old as (
  update operator_tokens t
     set name = name || ' before ' || to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
         expires_at = least(expires_at, now() + $3 * interval '1 s')
    from was where t.id = was.id returning t.id
)
insert into operator_tokens (name, token_hash, expires_at)
select $1, decode($2, 'hex'), now() + lifetime from was join old using (id))sql";

constexpr const char* kRevokeReplaced = R"sql(
update operator_tokens set revoked_at = now()
 where revoked_at is null and (expires_at is null or expires_at > now()) and starts_with(name, $1::text || ' before ')
   and substr(name, length($1::text) + 9) ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$')sql";

constexpr const char* kRevoke = "update operator_tokens set revoked_at = now() where name = $1 and revoked_at is null";

}  // namespace

Async<bool> OperatorTokens::admits(std::string token) {
  if (token.size() != kTokenLength || !token.starts_with(kPrefix)) co_return false;
  const std::string hash = sha256_hex(token);
  if (const bool* const known = known_.find(hash)) co_return *known;
  const auto asked = Clock::now();
  const auto left = co_await database_.maybe<milliseconds>(kFind, hash);
  known_.keep(hash, left.has_value(), asked, left.value_or(0ms));
  co_return left.has_value();
}

Async<std::optional<std::string>> OperatorTokens::create(std::string name,
                                                         std::optional<std::chrono::seconds> lifetime) {
  const std::string token = new_token(kPrefix);
  const auto seconds = lifetime ? std::optional<std::int64_t>(lifetime->count()) : std::nullopt;
  const Rows rows = co_await database_.query(kCreate, {name, sha256_hex(token), seconds});
  if (rows.affected() == 0) co_return std::nullopt;
  co_return token;
}

Async<std::vector<OperatorToken>> OperatorTokens::list() { return database_.all<OperatorToken>(kList); }

Async<std::optional<std::string>> OperatorTokens::replace(std::string name, std::chrono::seconds overlap) {
  const std::string token = new_token(kPrefix);
  const Rows rows = co_await database_.query(kReplace, {name, sha256_hex(token), std::int64_t{overlap.count()}});
  if (rows.affected() == 0) co_return std::nullopt;
  co_return token;
}

Async<std::size_t> OperatorTokens::revoke_replaced(std::string name) {
  const Rows rows = co_await database_.query(kRevokeReplaced, {name});
  co_return rows.affected();
}

Async<bool> OperatorTokens::revoke(std::string name) {
  const Rows rows = co_await database_.query(kRevoke, {name});
  co_return rows.affected() > 0;
}

}  // namespace plugfleet
