#include "core/access_tokens.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "core/new_token.h"

namespace plugfleet {
namespace {

constexpr std::size_t kTokenLength = kAccessTokenPrefix.size() + kTokenRandomLength;

struct Found : User {
  bool reads = false, writes = false;
  milliseconds left{};
  void fields(auto& f) {
    User::fields(f);
    f("reads", reads);
    f("writes", writes);
    f("leftMs", left);
  }
};

constexpr const char* kFind = R"sql(
with found as (
  select id, user_id, scopes, coalesce(extract(epoch from expires_at - clock_timestamp()), 3600) as seconds
    from access_tokens where token_hash = decode($1, 'hex') and (expires_at is null or expires_at > clock_timestamp())
), used as (
  update access_tokens t set last_used_at = now() from found
   where t.id = found.id and (t.last_used_at is null or t.last_used_at < now() - interval '1 minute')
)
select u.issuer, u.subject, u.email, u.name, 'read' = any(scopes) as reads, 'write' = any(scopes) as writes,
       (least(seconds, 3600) * 1000)::bigint as left_ms
  from found join users u on u.id = found.user_id)sql";

constexpr const char* kMake = R"sql(
insert into access_tokens (user_id, name, token_hash, scopes, expires_at)
values ($1, $2, decode($3, 'hex'), $4::text[], now() + $5 * interval '1 s') returning id)sql";

}  // namespace

Async<std::optional<AccessTokenHolder>> AccessTokens::holder_of(std::string token) {
  if (token.size() != kTokenLength || !token.starts_with(kAccessTokenPrefix)) co_return std::nullopt;
  const std::string hash = sha256_hex(token);
  if (const auto* const known = known_.find(hash)) co_return *known;
  const auto asked = Clock::now();
  const auto found = co_await database_.maybe<Found>(kFind, hash);
  std::optional<AccessTokenHolder> holder;
  if (found) holder = {*found, found->reads, found->writes};
  known_.keep(hash, holder, asked, found ? found->left : 0ms);
  co_return holder;
}

Async<MadeAccessToken> make_access_token(Database& database, NewAccessToken wanted) {
  const std::string token = new_token(kAccessTokenPrefix);
  Transaction transaction = co_await database.begin();
  co_await transaction.query("select from users where id = $1 for update",
                             {wanted.account});  // two at once are counted
  const auto count =
      co_await transaction.one<std::int64_t>("select count(*) from access_tokens where user_id = $1", wanted.account);
  if (count >= kAccessTokensMost)
    throw Failure(FailureKind::conflict, fmt::format("{} tokens are there already; revoke some first", count));
  const auto id = co_await transaction.one<std::string>(kMake, wanted.account, wanted.name, sha256_hex(token),
                                                        wanted.scopes, std::int64_t{wanted.lifetime.count()});
  co_await transaction.commit();
  co_return MadeAccessToken{id, token};
}

}  // namespace plugfleet
