#include "core/accounts.h"

#include <fmt/format.h>

#include "base/ids.h"

namespace plugfleet {
namespace {

constexpr const char* kFind =
    "select id, email is distinct from coalesce($3, email) as moved from users where issuer = $1 and subject = $2";

constexpr const char* kMake = R"sql(
insert into users (issuer, subject, email, name) values ($1, $2, $3, $4)
    on conflict (issuer, subject) do update set email = coalesce(excluded.email, users.email)
 returning id)sql";

constexpr const char* kMember = R"sql(
select u.id as account, m.role, t.suspended_at is not null as suspended
  from users u join team_members m on m.user_id = u.id join teams t on t.id = m.team_id
 where u.issuer = $1 and u.subject = $2 and m.team_id = $3)sql";

constexpr const char* kNoTeam = "there is no such team, or you are not a member of it";

struct Found {
  std::string id;
  bool moved = false;
  void fields(auto& f) {
    f("id", id);
    f("moved", moved);
  }
};

struct FoundMember {
  std::string account;
  Role role = Role::viewer;
  bool suspended = false;
  void fields(auto& f) {
    f("account", account);
    f("role", role);
    f("suspended", suspended);
  }
};

}  // namespace

void Member::refuse_suspended() const {
  if (suspended) throw Failure(FailureKind::forbidden, "this team is suspended; its data can be read and not changed");
}

Async<std::string> Accounts::account_of(User user) {
  const auto found = co_await database_.maybe<Found>(kFind, user.issuer, user.subject, user.email);
  if (found && !found->moved) co_return found->id;
  std::string made = co_await database_.one<std::string>(kMake, user.issuer, user.subject, user.email, user.name);
  co_return made;
}

Async<Member> Accounts::member_of(User user, std::string team, Role least) {
  return member_of(database_, std::move(user), std::move(team), least);
}

Async<Member> Accounts::member_of(Sql& sql, User user, std::string team, Role least) {
  const auto id = canonical_uuid(team);
  if (!id || (user.plugin && user.plugin->team != *id)) throw Failure(FailureKind::not_found, kNoTeam);
  const auto found = co_await sql.maybe<FoundMember>(kMember, user.issuer, user.subject, *id);
  if (!found) throw Failure(FailureKind::not_found, kNoTeam);
  if (found->role < least)
    throw Failure(FailureKind::forbidden, fmt::format("this takes the role {} in the team", name_of(least)));
  Member member{found->account, found->role, found->suspended};
  if (least > Role::viewer) member.refuse_suspended();
  co_return member;
}

Async<bool> Accounts::is_team(std::string team) {
  const auto id = canonical_uuid(team);
  if (!id) co_return false;
  const bool found = co_await database_.one<bool>("select exists (select from teams where id = $1)", *id);
  co_return found;
}

Async<std::optional<Role>> Accounts::role_in(std::string account, std::string team) {
  const auto role = co_await database_.maybe<std::string>(
      "select role from team_members where team_id = $1 and user_id = $2", team, account);
  co_return role ? kRoles.find(*role) : std::nullopt;
}

Async<void> note_in_audit_log(Sql& sql, AuditEntry entry) {
  co_await sql.query("insert into audit_log (team_id, user_id, action, details) values ($1, $2, $3, $4)",
                     {entry.team, entry.account, entry.action, entry.details.dump()});
}

}  // namespace plugfleet
