#include "core/sessions.h"

#include "base/digest.h"
#include "core/new_token.h"

namespace plugfleet {
namespace {

struct Found : User {
  milliseconds left{};
  void fields(auto& f) {
    User::fields(f);
    f("leftMs", left);
  }
};

// It is written to the hour that it is used.
constexpr const char* kFind = R"sql(
with found as (
  select token_hash, user_id, extract(epoch from expires_at - clock_timestamp()) as seconds
    from sessions where token_hash = decode($1, 'hex') and expires_at > clock_timestamp()
), used as (
  update sessions s set last_used_at = now(), expires_at = now() + interval '30 days' from found
   where s.token_hash = found.token_hash and s.last_used_at < now() - interval '1 hour'
)
select u.issuer, u.subject, u.email, u.name, (least(seconds, 3600) * 1000)::bigint as left_ms
  from found join users u on u.id = found.user_id)sql";

// What has ended goes where something new comes.
constexpr const char* kBegin = R"sql(
with ended as (delete from sessions where expires_at < now())
insert into sessions (token_hash, user_id, expires_at) values (decode($1, 'hex'), $2, now() + interval '30 days'))sql";

constexpr const char* kMakeLink = R"sql(
with late as (delete from sign_in_links where expires_at < now())
insert into sign_in_links (token_hash, email, expires_at) values (decode($1, 'hex'), $2, now() + interval '15 minutes'))sql";

constexpr const char* kUseLink = R"sql(
with used as (delete from sign_in_links where token_hash = decode($1, 'hex') returning email, expires_at)
select email from used where expires_at > now())sql";

}  // namespace

Async<std::optional<User>> Sessions::user_of(std::string secret) {
  if (secret.size() != kTokenRandomLength) co_return std::nullopt;
  const std::string hash = sha256_hex(secret);
  if (const auto* const known = known_.find(hash)) co_return *known;
  const auto asked = Clock::now();
  const auto found = co_await database_.maybe<Found>(kFind, hash);
  std::optional<User> user = found;
  known_.keep(hash, user, asked, found ? found->left : 0ms);
  co_return user;
}

Async<std::string> begin_session(Sql& sql, std::string account) {
  std::string secret = new_token("");
  co_await sql.query(kBegin, {sha256_hex(secret), account});
  co_return secret;
}

Async<void> end_session(Sql& sql, std::string secret) {
  co_await sql.query("delete from sessions where token_hash = decode($1, 'hex')", {sha256_hex(secret)});
}

Async<std::string> make_sign_in_link(Sql& sql, std::string email) {
  std::string token = new_token("");
  co_await sql.query(kMakeLink, {sha256_hex(token), email});
  co_return token;
}

Async<std::optional<std::string>> use_sign_in_link(Sql& sql, std::string token) {
  return sql.maybe<std::string>(kUseLink, sha256_hex(token));
}

}  // namespace plugfleet
