#include "marketplace/installs.h"

#include <fmt/format.h>

#include "marketplace/packages.h"
#include "marketplace/tags.h"

namespace marketplace {

namespace {

constexpr std::string_view kLatest = "latest";
constexpr std::size_t kConfigMost = 16 * 1024;  // bytes of its JSON

struct NewInstall {
  std::optional<std::string> version;  // none: the latest, whatever that becomes
  std::optional<bool> enabled;
  std::optional<Json> config;  // none: as it was
  void fields(auto& f) {
    f("version", version, length(1, 64));
    f("enabled", enabled);
    f("config", config);
  }
};

struct Install {
  std::string slug, name, version, installed_at;
  std::optional<std::string> latest_version, icon_url, blocked_reason;
  bool enabled = true;
  Json config;
  void fields(auto& f) {
    f("slug", slug);
    f("name", name);
    f("version", version);  // or "latest"
    f("latestVersion", latest_version);
    f("iconUrl", icon_url);
    f("enabled", enabled);
    f("config", config);
    f("blockedReason", blocked_reason);  // an operator's: no member can open it
    f("installedAt", installed_at, time_text());
  }
};

struct Installs {
  std::vector<Install> plugins;
  std::optional<std::string> next_cursor;
  void fields(auto& f) {
    f("plugins", plugins);
    f("nextCursor", next_cursor);
  }
};

// `latest` is null in a row whose package shows no version; `pinned` of one that follows it.
constexpr std::string_view kSelect = R"sql(
select p.slug, p.name, coalesce(pinned.version, 'latest') as version, latest.version as latest_version, i.enabled, i.config,
       rfc3339(i.installed_at) as installed_at, coalesce(p.blocked_reason, pinned.blocked_reason) as blocked_reason,
       '/plugins/' || p.slug || '/' || latest.version || '/' || p.icon_path as icon_url
  from team_plugin_installs i join plugin_packages p on p.id = i.package_id
  left join plugin_deployments l on l.id = p.latest_deployment left join plugin_versions latest on latest.id = l.version_id
  left join plugin_deployments d on d.id = i.deployment_id left join plugin_versions pinned on pinned.id = d.version_id
 where i.team_id = $1)sql";

void check(const NewInstall& wanted) {
  if (!wanted.config) return;
  if (!wanted.config->is_object()) throw_unprocessable({{"config", "must be an object"}});
  if (wanted.config->dump().size() > kConfigMost)
    throw_unprocessable({{"config", fmt::format("must have at most {} bytes", kConfigMost)}});
}

struct Offered {
  std::string package;
  std::optional<std::string> deployment;  // of the version that was asked for
  void fields(auto& f) {
    f("package", package);
    f("deployment", deployment);
  }
};

// What was yanked is for those who have pinned it already.
constexpr const char* kOffered = R"sql(
select p.id as package, (
         select d.id from plugin_versions v join plugin_deployments d on d.version_id = v.id
          where v.package_id = p.id and v.version = $2 and v.blocked_at is null
            and (v.yanked_at is null or exists (select from team_plugin_installs i where i.team_id = $3 and i.deployment_id = d.id))
       ) as deployment
  from plugin_packages p where p.slug = $1 and p.latest_deployment is not null and p.blocked_at is null)sql";

constexpr const char* kPut = R"sql(
insert into team_plugin_installs (team_id, package_id, deployment_id, enabled, config, installed_by)
values ($1, $2, $3, coalesce($4, true), coalesce($5::jsonb, '{}'), $6)
    on conflict (team_id, package_id) do update set deployment_id = excluded.deployment_id,
       enabled = coalesce($4, team_plugin_installs.enabled), config = coalesce($5::jsonb, team_plugin_installs.config)
 returning xmax = 0)sql";

// One more or less. Locks the package's row last, and so for a moment only.
Async<void> count_installs(Sql& sql, std::string package, int more) {
  co_await sql.query("update plugin_packages set installs = greatest(installs + $2, 0) where id = $1", {package, more});
}

Async<void> keep_bound(Sql& sql, std::string team) {
  const auto count =
      co_await sql.one<std::int64_t>("select count(*) from team_plugin_installs where team_id = $1", team);
  if (count > kInstallsMost)
    throw Failure(FailureKind::conflict, fmt::format("the team has {} plugins; more are not possible", kInstallsMost));
}

Async<void> tell(Call& call, std::string team, bool counted) {
  std::vector<std::string> tags{team_plugins_tag(canonical_uuid(team).value_or(team))};  // my-plugins takes no other
  if (counted) tags.emplace_back(kInstallsTag);
  co_await call.services.reply_cache.invalidate(tags);
}

Async<Reply> put(Call& call, std::string team, std::string slug) {
  const auto wanted = co_await call.json<NewInstall>();
  check(wanted);
  const Member member = co_await call.member_of(team, Role::admin);
  const std::string version = wanted.version.value_or(std::string(kLatest));
  Transaction transaction = co_await call.services.database.begin();
  co_await transaction.query("select from teams where id = $1 for update", {team});
  const auto offered = co_await transaction.maybe<Offered>(kOffered, slug, version, team);
  if (!offered) throw Failure(FailureKind::not_found, "there is no such plugin");
  if (version != kLatest && !offered->deployment)
    throw_unprocessable({{"version", "is no version of this plugin that can be installed"}});
  std::optional<std::string> config;
  if (wanted.config) config = wanted.config->dump();
  const bool made = co_await transaction.one<bool>(kPut, team, offered->package, offered->deployment, wanted.enabled,
                                                   config, member.account);
  if (made) co_await keep_bound(transaction, team);
  if (wanted.enabled == false) co_await revoke_plugin_tokens(transaction, {.team = team, .plugin = slug});
  co_await note_in_audit_log(
      transaction,
      {.team = team,
       .account = member.account,
       .action = made ? "plugin.install" : "plugin.configure",
       .details = Json::object({{"plugin", slug}, {"version", version}, {"enabled", Json(wanted.enabled)}})});
  const std::string statement = fmt::format("{} and p.slug = $2", kSelect);
  const Install install = co_await transaction.one<Install>(statement, team, slug);
  if (made) co_await count_installs(transaction, offered->package, 1);
  co_await transaction.commit();
  co_await tell(call, team, made);
  co_return json(made ? 201 : 200, install);
}

Async<Reply> remove(Call& call, std::string team, std::string slug) {
  const Member member = co_await call.member_of(team, Role::admin);
  Transaction transaction = co_await call.services.database.begin();
  const auto package = co_await transaction.maybe<std::string>(
      "delete from team_plugin_installs i using plugin_packages p"
      " where p.slug = $2 and i.package_id = p.id and i.team_id = $1 returning p.id",
      team, slug);
  if (!package) throw Failure(FailureKind::not_found, "the team has no such plugin");
  co_await revoke_plugin_tokens(transaction, {.team = team, .plugin = slug});
  co_await note_in_audit_log(transaction, {.team = team,
                                           .account = member.account,
                                           .action = "plugin.uninstall",
                                           .details = Json::object({{"plugin", slug}})});
  co_await count_installs(transaction, *package, -1);
  co_await transaction.commit();
  co_await tell(call, team, true);
  co_return Reply{.status = 204};
}

Async<Reply> list(Call& call, std::string team) {
  const auto page = call.query<PageQuery>();
  const PageKey<1> after(page.cursor);
  co_await call.member_of(team, Role::admin);
  const std::string statement =
      fmt::format("{} and ($2::text is null or p.slug > $2) order by p.slug limit $3", kSelect);
  Installs installs;
  installs.plugins = co_await call.services.database.all<Install>(statement, team, after[0], page.rows());
  installs.next_cursor = page.next(installs.plugins, [](const Install& last) { return page_cursor({last.slug}); });
  co_return json(200, installs);
}

}  // namespace

Async<std::size_t> tidy_installs(Database& database) {
  std::size_t changed = 0;
  for (const char* const statement :
       {"delete from team_plugin_installs i where not exists (select from teams t where t.id = i.team_id)",
        "delete from team_member_plugin_access a where not exists"
        " (select from team_members m where m.team_id = a.team_id and m.user_id = a.user_id)",
        "update plugin_packages p set installs = c.count from (select q.id, count(i.team_id)::int as count"
        " from plugin_packages q left join team_plugin_installs i on i.package_id = q.id group by q.id) as c"
        " where c.id = p.id and p.installs <> c.count"}) {
    const Rows rows = co_await database.query(statement);
    changed += static_cast<std::size_t>(rows.affected());
  }
  co_return changed;
}

std::vector<Route> install_routes() {
  constexpr const char* kOne = "/api/v1/teams/{id}/plugins/{slug}";
  return {{Method::PUT,
           kOne,
           put,
           {.summary = "Installs a plugin for the team, or changes which version it has and how it is set up (admins)",
            .body = json_of<NewInstall>(R"({"version": "latest", "enabled": true, "config": {"theme": "dark"}})"),
            .answers = {{201, json_of<Install>()}, {200, json_of<Install>()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden, FailureKind::conflict},
            .auth = Auth::required,
            .limit = per_client(120, 1min),
            .body_max = 64 * 1024}},
          {Method::DELETE,
           kOne,
           remove,
           {.summary = "Uninstalls a plugin (admins)",
            .answers = {{204, nothing()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required,
            .limit = per_client(120, 1min)}},
          {Method::GET,
           "/api/v1/teams/{id}/plugins",
           list,
           {.summary = "What the team has installed, and how it is set up (admins)",
            .query = type_of<PageQuery>(),
            .answers = {{200, json_of<Installs>()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required}}};
}

}  // namespace marketplace
