#include "marketplace/my_plugins.h"

#include "marketplace/installs.h"
#include "marketplace/tags.h"

namespace marketplace {

namespace {

struct MyPlugin {
  std::string slug, name, version, entry_url, integrity;
  std::optional<std::string> icon_url;
  bool pinned = false;
  Json config;
  void fields(auto& f) {
    f("slug", slug);
    f("name", name);
    f("version", version);
    f("entryUrl", entry_url);
    f("integrity", integrity);
    f("iconUrl", icon_url);
    f("pinned", pinned);
    f("config", config);
  }
};

struct MyPlugins {
  std::vector<MyPlugin> plugins;
  void fields(auto& f) { f("plugins", plugins); }
};

// Whoever is removed, or has another role, has account_tag() invalidated: what was kept before is not theirs any more.
Async<Reply> list(Call& call, std::string team) {
  if (canonical_uuid(team) != team) throw Failure(FailureKind::not_found, "a team's id is written in small letters");
  const Member member = co_await call.member_of(team, Role::viewer);
  MyPlugins mine;
  mine.plugins = co_await call.services.database.all<MyPlugin>("select * from my_plugins($1, $2, $3)", team,
                                                               member.account, kInstallsMost);
  co_return json(200, mine);
}

// ---- Who may open what -----------------------------------------------------------------------------------------------

struct NewAccess {
  std::optional<bool> enabled, pinned;  // none: as it is
  void fields(auto& f) {
    f("enabled", enabled);
    f("pinned", pinned);
  }
};

struct Access {
  bool enabled = true, pinned = false;
  void fields(auto& f) {
    f("enabled", enabled);
    f("pinned", pinned);
  }
};

struct Subject : Access {
  std::string package, issuer, subject;
  void fields(auto& f) {
    Access::fields(f);
    f("package", package);
    f("issuer", issuer);
    f("subject", subject);
  }
};

constexpr const char* kSubject = R"sql(
select p.id as package, u.issuer, u.subject, coalesce(a.enabled, true) as enabled, coalesce(a.pinned, false) as pinned
  from team_members m join users u on u.id = m.user_id
  join team_plugin_installs i on i.team_id = m.team_id join plugin_packages p on p.id = i.package_id
  left join team_member_plugin_access a on a.team_id = m.team_id and a.user_id = m.user_id and a.package_id = p.id
 where m.team_id = $1 and m.user_id = $2 and p.slug = $3)sql";

constexpr const char* kSetAccess = R"sql(
insert into team_member_plugin_access (team_id, user_id, package_id, enabled, pinned) values ($1, $2, $3, $4, $5)
    on conflict (team_id, user_id, package_id) do update set enabled = excluded.enabled, pinned = excluded.pinned)sql";

Async<Reply> set_access(Call& call, std::string team, std::string whose, std::string slug) {
  const auto wanted = co_await call.json<NewAccess>();
  const Member actor = co_await call.member_of(team, Role::member);
  const auto user = canonical_uuid(whose);
  if (!user) throw Failure(FailureKind::not_found, "there is no such member");
  Transaction transaction = co_await call.services.database.begin();
  co_await transaction.query("select from teams where id = $1 for update", {team});
  const auto was = co_await transaction.maybe<Subject>(kSubject, team, *user, slug);
  if (!was) throw Failure(FailureKind::not_found, "there is no such member, or the team has no such plugin");
  const Access now{wanted.enabled.value_or(was->enabled), wanted.pinned.value_or(was->pinned)};
  if (now.enabled != was->enabled && actor.role < Role::admin)
    throw Failure(FailureKind::forbidden, "this takes the role admin in the team");
  if (now.pinned != was->pinned && actor.account != *user)
    throw Failure(FailureKind::forbidden, "what a member has pinned is theirs to say");
  co_await transaction.query(kSetAccess, {team, *user, was->package, now.enabled, now.pinned});
  if (!now.enabled) co_await revoke_plugin_tokens(transaction, {.team = team, .plugin = slug, .account = user});
  if (now.enabled != was->enabled)
    co_await note_in_audit_log(
        transaction, {.team = team,
                      .account = actor.account,
                      .action = "plugin.access",
                      .details = Json::object({{"plugin", slug}, {"user", *user}, {"enabled", Json(now.enabled)}})});
  co_await transaction.commit();
  co_await call.services.reply_cache.invalidate({account_tag(was->issuer, was->subject)});
  co_return json(200, now);
}

// ---- A plugin's token ------------------------------------------------------------------------------------------------

struct PluginToken {
  std::string token, expires_at;  // the token: here and never again
  std::vector<std::string> permissions;
  void fields(auto& f) {
    f("token", token);
    f("expiresAt", expires_at, time_text());
    f("permissions", permissions);
  }
};

// It may do what its bundle asks for and this server knows of, and never more than the member may.
Async<Reply> make_token(Call& call, std::string team, std::string slug) {
  const Member member = co_await call.member_of(team, Role::viewer);
  member.refuse_suspended();
  Transaction transaction = co_await call.services.database.begin();
  const auto asked = co_await transaction.maybe<std::vector<std::string>>(
      "select permissions from my_plugins($1, $2, $3) where slug = $4", team, member.account, kInstallsMost, slug);
  if (!asked) throw Failure(FailureKind::not_found, "the team has no such plugin that you may open");
  const MadePluginToken made = co_await make_plugin_token(
      transaction, {.account = member.account, .team = team, .plugin = slug, .permissions = *asked});
  co_await transaction.commit();
  co_return json(201, PluginToken{made.token, made.expires_at, made.permissions}).with("Cache-Control", "no-store");
}

}  // namespace

std::vector<Route> my_plugin_routes() {
  return {{Method::GET,
           "/api/v1/teams/{id}/my-plugins",
           list,
           {.summary = "The plugins that you may open, those you have pinned first",
            .answers = {{200, json_of<MyPlugins>()}},
            .fails = {FailureKind::not_found},
            .auth = Auth::required,
            .cache = CacheRule{.fresh = 60s,
                               .tags = {"account:{user}", team_plugins_tag("{id}"), std::string(kPluginsTag)},
                               .each = CacheRule::Each::user}}},
          {Method::PUT,
           "/api/v1/teams/{id}/members/{userId}/plugins/{slug}",
           set_access,
           {.summary = "Pins a plugin for yourself, or says whether a member may open it (admins)",
            .body = json_of<NewAccess>(R"({"enabled": true, "pinned": true})"),
            .answers = {{200, json_of<Access>()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required,
            .limit = per_client(120, 1min)}},
          {Method::POST,
           "/api/v1/teams/{id}/plugins/{slug}/token",
           make_token,
           {.summary = "Makes a token of ten minutes by which a plugin asks in your name, for this team alone",
            .body = nothing(),
            .answers = {{201, json_of<PluginToken>()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required,
            .limit = per_client(60, 1min)}}};
}

}  // namespace marketplace
