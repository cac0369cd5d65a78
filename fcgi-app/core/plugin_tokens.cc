#include "core/plugin_tokens.h"

#include <algorithm>

#include "base/digest.h"
#include "core/new_token.h"

namespace plugfleet {
namespace {

constexpr std::size_t kTokenLength = kPluginTokenPrefix.size() + kTokenRandomLength;

struct Found : User, PluginScope {
  milliseconds left{};
  void fields(auto& f) {
    User::fields(f);
    PluginScope::fields(f);
    f("leftMs", left);
  }
};

constexpr const char* kFind = R"sql(
select u.issuer, u.subject, u.email, u.name, k.team_id as team, k.plugin as slug, to_jsonb(k.permissions) as permissions,
       (extract(epoch from k.expires_at - clock_timestamp()) * 1000)::bigint as left_ms
  from plugin_tokens k join users u on u.id = k.user_id
  join team_members m on m.team_id = k.team_id and m.user_id = k.user_id
  join teams t on t.id = k.team_id and t.suspended_at is null
 where k.token_hash = decode($1, 'hex') and k.expires_at > clock_timestamp())sql";

// What has expired goes where something new comes.
constexpr const char* kMake = R"sql(
with late as (delete from plugin_tokens where expires_at < now())
insert into plugin_tokens (token_hash, user_id, team_id, plugin, permissions, expires_at)
values (decode($1, 'hex'), $2, $3, $4, $5::text[], now() + interval '10 minutes') returning rfc3339(expires_at))sql";

}  // namespace

bool is_plugin_permission(std::string_view name) {
  return std::ranges::find(kPluginPermissions, name, &PluginPermission::name) != std::end(kPluginPermissions);
}

Async<std::optional<User>> PluginTokens::holder_of(std::string token) {
  if (token.size() != kTokenLength || !token.starts_with(kPluginTokenPrefix)) co_return std::nullopt;
  const std::string hash = sha256_hex(token);
  if (const auto* const known = known_.find(hash)) co_return *known;
  const auto asked = Clock::now();
  const auto found = co_await database_.maybe<Found>(kFind, hash);
  std::optional<User> holder;
  if (found) holder.emplace(*found).plugin = *found;
  known_.keep(hash, holder, asked, found ? found->left : 0ms);
  co_return holder;
}

Async<MadePluginToken> make_plugin_token(Sql& sql, NewPluginToken wanted) {
  std::erase_if(wanted.permissions, [](const std::string& name) { return !is_plugin_permission(name); });
  const std::string token = new_token(kPluginTokenPrefix);
  const auto expires_at = co_await sql.one<std::string>(kMake, sha256_hex(token), wanted.account, wanted.team,
                                                        wanted.plugin, wanted.permissions);
  co_return MadePluginToken{token, expires_at, wanted.permissions};
}

Async<void> revoke_plugin_tokens(Sql& sql, WhosePluginTokens whose) {
  co_await sql.query(
      "delete from plugin_tokens where plugin = $1 and ($2::uuid is null or team_id = $2)"
      " and ($3::uuid is null or user_id = $3)",
      {whose.plugin, whose.team, whose.account});
}

}  // namespace plugfleet
