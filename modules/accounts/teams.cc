#include "accounts/teams.h"

#include <fmt/format.h>

namespace accounts {

using namespace plugfleet;

namespace {

constexpr int kTeamsMax = 100;  // that one user is in

struct Team {
  std::string id, name, role, created_at;
  std::int64_t members = 0;
  bool suspended = false;  // by an operator: it can be read and not changed
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("name", name);
    f("role", role, one_of(kRoles.all()));
    f("members", members);
    f("suspended", suspended);
    f("createdAt", created_at, time_text());
  }
};

struct Teams {
  std::vector<Team> teams;
  std::optional<std::string> next_cursor;
  void fields(auto& f) {
    f("teams", teams);
    f("nextCursor", next_cursor);
  }
};

struct NewTeam {
  std::string name;
  void fields(auto& f) { f("name", name, words(1, 100)); }
};

constexpr std::string_view kSelect = R"sql(
select t.id, t.name, m.role, rfc3339(t.created_at) as created_at, t.suspended_at is not null as suspended,
       (select count(*) from team_members o where o.team_id = t.id) as members
  from team_members m join teams t on t.id = m.team_id where m.user_id = $1)sql";

struct Subject {
  std::string issuer, subject;
  void fields(auto& f) {
    f("issuer", issuer);
    f("subject", subject);
  }
};

// What is kept of what its members are answered.
Async<std::vector<std::string>> tags_of(Sql& sql, std::string team) {
  const auto members = co_await sql.all<Subject>(
      "select issuer, subject from users u join team_members m on m.user_id = u.id where m.team_id = $1", team);
  std::vector<std::string> tags;
  tags.reserve(members.size());
  for (const Subject& member : members) tags.push_back(account_tag(member.issuer, member.subject));
  co_return tags;
}

Async<Team> find(Sql& sql, std::string account, std::string team) {
  const std::string statement = fmt::format("{} and t.id = $2", kSelect);
  Team found = co_await sql.one<Team>(statement, account, team);
  co_return found;
}

Async<Reply> add(Call& call) {
  const auto wanted = co_await call.json<NewTeam>();
  const std::string account = co_await call.account();
  Transaction transaction = co_await call.services.database.begin();
  const auto teams =
      co_await transaction.one<std::int64_t>("select count(*) from team_members where user_id = $1", account);
  if (teams >= kTeamsMax)
    throw Failure(FailureKind::conflict, fmt::format("you are in {} teams; more are not possible", teams));
  const auto id =
      co_await transaction.one<std::string>("insert into teams (name) values ($1) returning id", wanted.name);
  co_await transaction.query("insert into team_members (team_id, user_id, role) values ($1, $2, 'owner')",
                             {id, account});
  co_await note_in_audit_log(transaction, {.team = id, .account = account, .action = "team.create"});
  const Team team = co_await find(transaction, account, id);
  co_await transaction.commit();
  co_await call.services.reply_cache.invalidate({account_tag(call.user()->issuer, call.user()->subject)});
  co_return json(201, team).with("Location", "/api/v1/teams/" + id);
}

Async<Reply> list(Call& call) {
  const auto page = call.query<PageQuery>();
  const PageKey<2> after(page.cursor);
  const std::string account = co_await call.account();
  const std::string statement = fmt::format(
      "{} and ($2::text is null or (t.name, t.id) > ($2, $3::uuid)) order by t.name, t.id limit $4", kSelect);
  Teams shown;
  shown.teams = co_await call.services.database.all<Team>(statement, account, after[0], after.uuid(1), page.rows());
  shown.next_cursor = page.next(shown.teams, [](const Team& last) { return page_cursor({last.name, last.id}); });
  co_return json(200, shown);
}

Async<Reply> show(Call& call, std::string id) {
  const Member member = co_await call.member_of(id, Role::viewer);
  const Team team = co_await find(call.services.database, member.account, id);
  co_return json(200, team);
}

Async<Reply> change(Call& call, std::string id) {
  const auto wanted = co_await call.json<NewTeam>();
  const Member member = co_await call.member_of(id, Role::admin);
  Transaction transaction = co_await call.services.database.begin();
  co_await transaction.query("update teams set name = $2 where id = $1", {id, wanted.name});
  co_await note_in_audit_log(transaction, {.team = id,
                                           .account = member.account,
                                           .action = "team.rename",
                                           .details = Json::object({{"name", wanted.name}})});
  const Team team = co_await find(transaction, member.account, id);
  co_await transaction.commit();
  const auto tags = co_await tags_of(call.services.database, id);
  co_await call.services.reply_cache.invalidate(tags);
  co_return json(200, team);
}

Async<Reply> remove(Call& call, std::string id) {
  const Member member = co_await call.member_of(id, Role::owner);
  const auto tags = co_await tags_of(call.services.database, id);
  Transaction transaction = co_await call.services.database.begin();
  co_await transaction.query("delete from teams where id = $1", {id});
  co_await note_in_audit_log(transaction, {.team = id, .account = member.account, .action = "team.delete"});
  co_await transaction.commit();
  co_await call.services.reply_cache.invalidate(tags);
  co_return Reply{.status = 204};
}

}  // namespace

std::vector<Route> team_routes() {
  constexpr const char *kAll = "/api/v1/teams", *kOne = "/api/v1/teams/{id}";
  return {{Method::POST,
           kAll,
           add,
           {.summary = "Makes a team, which you own",
            .body = json_of<NewTeam>(R"({"name": "Design"})"),
            .answers = {{201, json_of<Team>()}},
            .fails = {FailureKind::conflict},
            .auth = Auth::required,
            .limit = per_client(20, 1min)}},
          {Method::GET,
           kAll,
           list,
           {.summary = "Your teams",
            .query = type_of<PageQuery>(),
            .answers = {{200, json_of<Teams>()}},
            .auth = Auth::required}},
          {Method::GET,
           kOne,
           show,
           {.summary = "One of your teams",
            .answers = {{200, json_of<Team>()}},
            .fails = {FailureKind::not_found},
            .auth = Auth::required,
            .permission = "team:read"}},
          {Method::PATCH,
           kOne,
           change,
           {.summary = "Renames a team (admins)",
            .body = json_of<NewTeam>(R"({"name": "Design and research"})"),
            .answers = {{200, json_of<Team>()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required}},
          {Method::DELETE,
           kOne,
           remove,
           {.summary = "Deletes a team (owners)",
            .answers = {{204, nothing()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required}}};
}

}  // namespace accounts
