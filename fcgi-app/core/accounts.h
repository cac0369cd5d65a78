// Users and teams, for every product: who this is, of which team, with which role. Handlers ask by their call:
//
//   const std::string account = co_await call.account();                            // users.id
//   const Member member = co_await call.member_of(team_id, Role::admin);            // or a 404, or a 403
//
//   A1  A user is one by issuer and subject; their first request that asks for an account makes the row.
//   A2  Nothing of a team is remembered here: a member whose role is taken away has it no more with the next request.
//   A3  Whether a team is there is told to its members alone: to others it is not found.
//   A4  A team has an owner at all times, whoever leaves or is demoted at once. (Whatever takes an owner away first locks
//       the team's row.)
#pragma once

#include <optional>
#include <string>

#include "base/names.h"
#include "core/auth.h"
#include "core/reply_cache.h"
#include "io/postgres.h"
#include "wire/json.h"

namespace plugfleet {

// Each may do what those before it may: a viewer reads, a member uses, an admin changes, an owner decides on the team.
enum class Role { viewer, member, admin, owner };

inline constexpr Names<Role, 4> kRoles(
    {{{Role::viewer, "viewer"}, {Role::member, "member"}, {Role::admin, "admin"}, {Role::owner, "owner"}}});
constexpr std::string_view name_of(Role role) { return kRoles.of(role); }
constexpr std::optional<Role> named(std::string_view name, Role) { return kRoles.find(name); }

struct Member {
  std::string account;  // users.id
  Role role = Role::viewer;
  bool suspended = false;  // the team is, by an operator: its members may read, and change nothing

  // Of what any role may change. Throws Failure(forbidden).
  void refuse_suspended() const;
};

// One line of audit_log.
struct AuditEntry {
  std::string team;
  std::optional<std::string> account;  // none: an operator
  std::string action;                  // "member.role"
  Json details = Json::object({});
};

class Accounts {
 public:
  explicit Accounts(Database& database) : database_(database) {}

  // users.id of whom a request's token names; made where there is none. Their email becomes what the token says.
  Async<std::string> account_of(User user);
  // Throws Failure: not_found where they are not one of the team (or it is not there), forbidden where their role is less
  // than `least`, or the team is suspended and `least` more than viewer. A plugin knows its own team alone.
  Async<Member> member_of(User user, std::string team, Role least);
  // The same within a transaction that decides by it.
  static Async<Member> member_of(Sql& sql, User user, std::string team, Role least);
  Async<bool> is_team(std::string team);
  // None where they are not.
  Async<std::optional<Role>> role_in(std::string account, std::string team);

 private:
  Database& database_;
};

// The tag of every cached reply that says what a user may see or do: who they are, in which teams, with which role; in a
// route's declaration "account:{user}". Whoever changes that invalidates it, once it is committed.
inline std::string account_tag(std::string_view issuer, std::string_view subject) {
  return "account:" + user_tag(issuer, subject);
}

// In the transaction that does it.
Async<void> note_in_audit_log(Sql& sql, AuditEntry entry);

}  // namespace plugfleet
