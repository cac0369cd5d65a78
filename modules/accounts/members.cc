#include "accounts/members.h"

namespace accounts {

using namespace plugfleet;

namespace {

struct ShownMember {
  std::string id, role, joined_at;
  std::optional<std::string> name, email, avatar_url;
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("name", name);
    f("email", email);
    f("avatarUrl", avatar_url);
    f("role", role, one_of(kRoles.all()));
    f("joinedAt", joined_at, time_text());
  }
};

struct Members {
  std::vector<ShownMember> members;
  std::optional<std::string> next_cursor;
  void fields(auto& f) {
    f("members", members);
    f("nextCursor", next_cursor);
  }
};

struct NewRole {
  std::string role;
  void fields(auto& f) { f("role", role, one_of(kRoles.all())); }
};

// By account: what a page ends with is found by the primary key.
constexpr const char* kList = R"sql(
select u.id, u.name, u.email, u.avatar_url, m.role, rfc3339(m.joined_at) as joined_at
  from team_members m join users u on u.id = m.user_id
 where m.team_id = $1 and ($2::uuid is null or m.user_id > $2) order by m.user_id limit $3)sql";

Async<Reply> list(Call& call, std::string team) {
  PageQuery page = call.query<PageQuery>();
  if (!page.limit) page.limit = 100;
  const PageKey<1> after(page.cursor);
  const Member member = co_await call.member_of(team, Role::viewer);
  Members shown;
  shown.members = co_await call.services.database.all<ShownMember>(kList, team, after.uuid(0), page.rows());
  shown.next_cursor = page.next(shown.members, [](const ShownMember& last) { return page_cursor({last.id}); });
  co_return json(200, shown);
}

struct Subject {
  Role role = Role::viewer;
  std::string issuer, subject;
  void fields(auto& f) {
    f("role", role);
    f("issuer", issuer);
    f("subject", subject);
  }
};

// What one member does to another, or to themselves, with the team's row locked: nothing changes any role of it meanwhile
// (A4 in core/accounts.h).
struct Change {
  Transaction transaction;
  Member actor;
  std::string account;  // whose role it is
  Subject was;
};

Async<Change> begin(Call& call, std::string team, std::string whose) {
  const auto id = canonical_uuid(team), account = canonical_uuid(whose);
  if (!id || !account) throw Failure(FailureKind::not_found, "there is no such member");
  Transaction transaction = co_await call.services.database.begin();
  co_await transaction.query("select from teams where id = $1 for update", {*id});
  Member actor = co_await Accounts::member_of(transaction, *call.user(), *id, Role::viewer);
  actor.refuse_suspended();
  const auto was = co_await transaction.maybe<Subject>(
      "select m.role, u.issuer, u.subject from team_members m join users u on u.id = m.user_id"
      " where m.team_id = $1 and m.user_id = $2",
      *id, *account);
  if (!was) throw Failure(FailureKind::not_found, "there is no such member");
  co_return Change{std::move(transaction), std::move(actor), *account, *was};
}

Async<void> keep_an_owner(Sql& sql, std::string team) {
  const auto owners =
      co_await sql.one<std::int64_t>("select count(*) from team_members where team_id = $1 and role = 'owner'", team);
  if (owners == 0)
    throw Failure(FailureKind::conflict, "a team has at least one owner: make another member an owner first");
}

Async<void> finish(Call& call, Change change, std::string team, std::string action, Json details) {
  co_await keep_an_owner(change.transaction, team);
  details.set("user", change.account);
  details.set("was", name_of(change.was.role));
  co_await note_in_audit_log(
      change.transaction,
      {.team = team, .account = change.actor.account, .action = std::move(action), .details = std::move(details)});
  co_await change.transaction.commit();
  co_await call.services.reply_cache.invalidate({account_tag(change.was.issuer, change.was.subject)});
}

Async<Reply> change_role(Call& call, std::string team, std::string whose) {
  const auto wanted = co_await call.json<NewRole>();
  const Role role = *kRoles.find(wanted.role);
  Change change = co_await begin(call, team, whose);
  const Role actor = change.actor.role;
  if (actor < Role::admin) throw Failure(FailureKind::forbidden, "this takes the role admin in the team");
  if (actor < Role::owner && (role == Role::owner || change.was.role == Role::owner))
    throw Failure(FailureKind::forbidden, "owners are made, and demoted, by owners");
  const auto shown = co_await change.transaction.one<ShownMember>(
      "update team_members m set role = $3 from users u where m.team_id = $1 and m.user_id = $2 and u.id = m.user_id"
      " returning u.id, u.name, u.email, u.avatar_url, m.role, rfc3339(m.joined_at) as joined_at",
      team, change.account, wanted.role);
  co_await finish(call, std::move(change), team, "member.role", Json::object({{"role", wanted.role}}));
  co_return json(200, shown);
}

Async<Reply> remove(Call& call, std::string team, std::string whose) {
  Change change = co_await begin(call, team, whose);
  const bool leaves = change.account == change.actor.account;
  if (!leaves && change.actor.role < Role::admin)
    throw Failure(FailureKind::forbidden, "this takes the role admin in the team");
  if (!leaves && change.was.role == Role::owner && change.actor.role < Role::owner)
    throw Failure(FailureKind::forbidden, "owners are removed by owners");
  co_await change.transaction.query("delete from team_members where team_id = $1 and user_id = $2",
                                    {team, change.account});
  co_await finish(call, std::move(change), team, leaves ? "member.leave" : "member.remove", Json::object());
  co_return Reply{.status = 204};
}

}  // namespace

std::vector<Route> member_routes() {
  constexpr const char* kOne = "/api/v1/teams/{id}/members/{userId}";
  const std::vector<FailureKind> fails{FailureKind::not_found, FailureKind::forbidden, FailureKind::conflict};
  return {{Method::GET,
           "/api/v1/teams/{id}/members",
           list,
           {.summary = "Who is in a team",
            .query = type_of<PageQuery>(),
            .answers = {{200, json_of<Members>()}},
            .fails = {FailureKind::not_found},
            .auth = Auth::required,
            .permission = "team:read"}},
          {Method::PATCH,
           kOne,
           change_role,
           {.summary = "Changes a member's role (admins; of owners, owners)",
            .body = json_of<NewRole>(R"({"role": "admin"})"),
            .answers = {{200, json_of<ShownMember>()}},
            .fails = fails,
            .auth = Auth::required}},
          {Method::DELETE,
           kOne,
           remove,
           {.summary = "Removes a member (admins; of owners, owners), or yourself",
            .answers = {{204, nothing()}},
            .fails = fails,
            .auth = Auth::required}}};
}

}  // namespace accounts
