// Users, teams and roles against real PostgreSQL, through PgBouncer.
#include "core/accounts.h"

#include "base/ids.h"
#include "io/postgres_support.h"
#include "support/async.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

User someone(std::string issuer = "issuer") {
  return {.id = {}, .issuer = std::move(issuer), .subject = random_hex(8), .email = "a@example.com", .name = "A"};
}

struct Teams {
  explicit Teams(Reactor& reactor) : db(reactor, pooled()), accounts(db) {}

  Async<std::string> team() {
    std::string id = co_await db.one<std::string>("insert into teams (name) values ('A team') returning id");
    co_return id;
  }
  Async<void> join(std::string team, User user, Role role) {
    const std::string account = co_await accounts.account_of(user);
    co_await db.query("insert into team_members (team_id, user_id, role) values ($1, $2, $3)",
                      {team, account, name_of(role)});
  }
  // The failure's kind; none where they have that role.
  Async<std::optional<FailureKind>> refused(User user, std::string team, Role least) {
    const auto kind = co_await failure_of(accounts.member_of(user, team, least));
    co_return kind;
  }

  Database db;
  Accounts accounts;
};

}  // namespace

ASYNC_TEST(a_user_is_one_by_issuer_and_subject) {
  Teams teams(reactor);
  User user = someone();
  const std::string first = co_await teams.accounts.account_of(user);
  const std::string again = co_await teams.accounts.account_of(user);
  CHECK_EQ(again, first);
  user.issuer = "another";
  const std::string other = co_await teams.accounts.account_of(user);
  CHECK(other != first);
}

ASYNC_TEST(an_email_follows_the_token_and_is_kept_where_it_says_none) {
  Teams teams(reactor);
  User user = someone();
  const std::string account = co_await teams.accounts.account_of(user);
  for (const auto& [says, is] : std::vector<std::pair<std::optional<std::string>, std::string>>{
           {"b@example.com", "b@example.com"}, {std::nullopt, "b@example.com"}, {"c@example.com", "c@example.com"}}) {
    user.email = says;
    const std::string same = co_await teams.accounts.account_of(user);
    CHECK_EQ(same, account);
    const auto email = co_await teams.db.one<std::string>("select email from users where id = $1", account);
    CHECK_EQ(email, is);
  }
}

ASYNC_TEST(a_role_covers_those_below_it_and_no_other_team) {
  Teams teams(reactor);
  const std::string ours = co_await teams.team(), theirs = co_await teams.team();
  for (const auto& [role, name] : kRoles) {
    const User user = someone();
    co_await teams.join(ours, user, role);
    for (const auto& [least, its_name] : kRoles) {
      const auto refused = co_await teams.refused(user, ours, least);
      CHECK(refused == (role < least ? std::optional(FailureKind::forbidden) : std::nullopt));
      const auto not_there = co_await teams.refused(user, theirs, least);
      CHECK(not_there == FailureKind::not_found);
    }
    const auto no_id = co_await teams.refused(user, "no-uuid", Role::viewer);
    CHECK(no_id == FailureKind::not_found);
  }
}

ASYNC_TEST(a_role_that_is_taken_away_is_gone_with_the_next_request) {
  Teams teams(reactor);
  const std::string team = co_await teams.team();
  const User user = someone();
  co_await teams.join(team, user, Role::admin);
  co_await teams.db.query("update team_members set role = 'viewer' where team_id = $1", {team});
  const auto less = co_await teams.refused(user, team, Role::admin);
  CHECK(less == FailureKind::forbidden);
  co_await teams.db.query("delete from team_members where team_id = $1", {team});
  const auto none = co_await teams.refused(user, team, Role::viewer);
  CHECK(none == FailureKind::not_found);
}

ASYNC_TEST(a_plugin_knows_its_own_team_alone) {
  Teams teams(reactor);
  const std::string ours = co_await teams.team(), other = co_await teams.team();
  User user = someone();
  for (const std::string& team : {ours, other}) co_await teams.join(team, user, Role::owner);
  user.plugin = PluginScope{.team = ours, .slug = "a", .permissions = {}};
  const auto its_own = co_await teams.refused(user, ours, Role::owner);
  CHECK(!its_own);
  const auto not_its = co_await teams.refused(user, other, Role::viewer);
  CHECK(not_its == FailureKind::not_found);
}

ASYNC_TEST(a_suspended_team_can_be_read_and_not_changed) {
  Teams teams(reactor);
  const std::string team = co_await teams.team();
  const User user = someone();
  co_await teams.join(team, user, Role::owner);
  co_await teams.db.query("update teams set suspended_at = now() where id = $1", {team});
  const auto reads = co_await teams.refused(user, team, Role::viewer);
  CHECK(!reads);
  const auto changes = co_await teams.refused(user, team, Role::member);
  CHECK(changes == FailureKind::forbidden);
}
