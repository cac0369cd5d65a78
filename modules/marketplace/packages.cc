#include "marketplace/packages.h"

#include <fmt/format.h>

#include <algorithm>

#include "marketplace/tags.h"

namespace marketplace {

namespace {

constexpr std::int64_t kPackagesMost = 200;  // of one team

// "a-name-2": a small letter, then small letters, digits and hyphens.
bool is_slug(std::string_view text, std::size_t least, std::size_t most) {
  if (text.size() < least || text.size() > most || text[0] < 'a' || text[0] > 'z') return false;
  return std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

struct NewPackage {
  std::string team_id, slug, name, summary, category;
  void fields(auto& f) {
    f("teamId", team_id);
    f("slug", slug);
    f("name", name, words(1, 80));
    f("summary", summary, words(1, 300));
    f("category", category);
  }
};

struct ChangedPackage {
  std::optional<std::string> name, summary, category;
  void fields(auto& f) {
    f("name", name, words(1, 80));
    f("summary", summary, words(1, 300));
    f("category", category);
  }
};

void check(const std::optional<std::string>& slug, const std::optional<std::string>& category) {
  std::vector<Detail> wrong;
  if (slug && !is_slug(*slug, 2, 50))
    wrong.push_back({"slug", "must have 2 to 50 of a-z, 0-9 and -, and begin with a letter"});
  if (category && !is_slug(*category, 2, 30))
    wrong.push_back({"category", "must have 2 to 30 of a-z, 0-9 and -, and begin with a letter"});
  if (!wrong.empty()) throw_unprocessable(std::move(wrong));
}

struct TeamPackage {
  std::string slug, name, summary, category, created_at;
  std::optional<std::string> latest_version, published_at, blocked_reason;
  std::int64_t installs = 0;
  void fields(auto& f) {
    f("slug", slug);
    f("name", name);
    f("summary", summary);
    f("category", category);
    f("latestVersion", latest_version);
    f("installs", installs, range(0, kAnyNumber));
    f("createdAt", created_at, time_text());
    f("publishedAt", published_at, time_text());
    f("blockedReason", blocked_reason);  // an operator's, where nobody is shown it
  }
};

struct TeamPackages {
  std::vector<TeamPackage> packages;
  std::optional<std::string> next_cursor;
  void fields(auto& f) {
    f("packages", packages);
    f("nextCursor", next_cursor);
  }
};

constexpr std::string_view kSelect = R"sql(
select p.slug, p.name, p.summary, p.category, v.version as latest_version, p.installs, rfc3339(p.created_at) as created_at,
       rfc3339(p.published_at) as published_at, p.blocked_reason
  from plugin_packages p left join plugin_deployments d on d.id = p.latest_deployment
  left join plugin_versions v on v.id = d.version_id)sql";

Async<TeamPackage> shown(Sql& sql, std::string slug) {
  const std::string statement = fmt::format("{} where p.slug = $1", kSelect);
  TeamPackage found = co_await sql.one<TeamPackage>(statement, slug);
  co_return found;
}

constexpr const char* kInsert = R"sql(
insert into plugin_packages (slug, team_id, name, summary, category) values ($1, $2, $3, $4, $5)
    on conflict (slug) do nothing)sql";

Async<Reply> add(Call& call) {
  const auto wanted = co_await call.json<NewPackage>();
  check(wanted.slug, wanted.category);
  const Member member = co_await call.member_of(wanted.team_id, Role::member);
  Transaction transaction = co_await call.services.database.begin();
  const auto count =
      co_await transaction.one<std::int64_t>("select count(*) from plugin_packages where team_id = $1", wanted.team_id);
  if (count >= kPackagesMost)
    throw Failure(FailureKind::conflict, fmt::format("the team has {} plugins; more are not possible", count));
  const Rows made =
      co_await transaction.query(kInsert, {wanted.slug, wanted.team_id, wanted.name, wanted.summary, wanted.category});
  if (made.affected() == 0) {
    const Package other = co_await package_of(transaction, wanted.slug);
    const bool ours = canonical_uuid(wanted.team_id) == other.team_id;
    throw Failure(FailureKind::conflict, ours ? fmt::format("your team has a plugin {} already", wanted.slug)
                                              : fmt::format("another team has the name {}", wanted.slug));
  }
  co_await note_in_audit_log(transaction, {.team = wanted.team_id,
                                           .account = member.account,
                                           .action = "plugin.create",
                                           .details = Json::object({{"plugin", wanted.slug}})});
  const TeamPackage package = co_await shown(transaction, wanted.slug);
  co_await transaction.commit();
  co_return json(201, package);
}

constexpr const char* kChange = R"sql(
update plugin_packages set name = coalesce($2, name), summary = coalesce($3, summary), category = coalesce($4, category),
       updated_at = now()
 where id = $1)sql";

Async<Reply> change(Call& call, std::string slug) {
  const auto wanted = co_await call.json<ChangedPackage>();
  check({}, wanted.category);
  const Package package = co_await package_of(call.services.database, slug);
  const Member member = co_await call.member_of(package.team_id, Role::member);
  Transaction transaction = co_await call.services.database.begin();
  co_await transaction.query(kChange, {package.id, wanted.name, wanted.summary, wanted.category});
  co_await note_in_audit_log(transaction, {.team = package.team_id,
                                           .account = member.account,
                                           .action = "plugin.change",
                                           .details = Json::object({{"plugin", slug}})});
  const TeamPackage changed = co_await shown(transaction, slug);
  co_await transaction.commit();
  co_await call.services.reply_cache.invalidate({std::string(kPluginsTag)});
  co_return json(200, changed);
}

Async<Reply> list(Call& call, std::string team) {
  const auto page = call.query<PageQuery>();
  const PageKey<1> after(page.cursor);
  co_await call.member_of(team, Role::viewer);
  const std::string statement =
      fmt::format("{} where p.team_id = $1 and ($2::text is null or p.slug > $2) order by p.slug limit $3", kSelect);
  TeamPackages all;
  all.packages = co_await call.services.database.all<TeamPackage>(statement, team, after[0], page.rows());
  all.next_cursor = page.next(all.packages, [](const TeamPackage& last) { return page_cursor({last.slug}); });
  co_return json(200, all);
}

}  // namespace

Async<Package> package_of(Sql& sql, std::string slug) {
  const auto found = co_await sql.maybe<Package>(
      "select id, slug, team_id, blocked_at is not null as blocked from plugin_packages where slug = $1", slug);
  if (!found) throw Failure(FailureKind::not_found, "there is no such plugin");
  co_return *found;
}

std::vector<Route> package_routes() {
  return {{Method::POST,
           "/api/v1/plugins",
           add,
           {.summary = "Takes a name for a plugin that your team will publish (members)",
            .body = json_of<NewPackage>(R"({"teamId": "3f1c6c1e-5b7e-4b57-9d0e-0b6d0c1e2a34", "slug": "colour-names",)"
                                        R"( "name": "Colour names", "summary": "Says what a colour is called",)"
                                        R"( "category": "design"})"),
            .answers = {{201, json_of<TeamPackage>()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden, FailureKind::conflict},
            .auth = Auth::required,
            .limit = per_client(20, 1min)}},
          {Method::PATCH,
           "/api/v1/plugins/{slug}",
           change,
           {.summary = "Changes what is said of a plugin (members of its publisher)",
            .body = json_of<ChangedPackage>(R"({"summary": "Says what any colour is called"})"),
            .answers = {{200, json_of<TeamPackage>()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required,
            .limit = per_client(60, 1min)}},
          {Method::GET,
           "/api/v1/teams/{id}/packages",
           list,
           {.summary = "What the team publishes, or is about to",
            .query = type_of<PageQuery>(),
            .answers = {{200, json_of<TeamPackages>()}},
            .fails = {FailureKind::not_found},
            .auth = Auth::required}}};
}

}  // namespace marketplace
