#include "accounts/profile.h"

#include <fmt/format.h>

namespace accounts {

using namespace plugfleet;

namespace {

struct TeamOfMine {
  std::string id, name, role;
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("name", name);
    f("role", role, one_of(kRoles.all()));
  }
};

struct Profile {
  std::string id;
  std::optional<std::string> email, name, avatar_url;
  std::string provider, created_at;  // the provider: who vouches for them, the token's issuer or "local"
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("email", email);
    f("name", name);
    f("avatarUrl", avatar_url);
    f("provider", provider);
    f("createdAt", created_at, time_text());
  }
};

struct ShownProfile : Profile {
  std::vector<TeamOfMine> teams;
  void fields(auto& f) {
    Profile::fields(f);
    f("teams", teams);
  }
};

struct NewProfile {
  std::optional<std::string> name, avatar_url;
  void fields(auto& f) {
    f("name", name, words(1, 100));
    f("avatarUrl", avatar_url, Rule{.length_max = 500, .contains = "https://"});
  }
};

constexpr const char* kProfile =
    "select id, email, name, avatar_url, issuer as provider, rfc3339(created_at) as created_at from users where id = "
    "$1";
constexpr const char* kTeams =
    "select t.id, t.name, m.role from team_members m join teams t on t.id = m.team_id where m.user_id = $1 order by "
    "t.name, t.id "
    "limit 100";

Async<Reply> show(Call& call) {
  const std::string account = co_await call.account();
  Database& database = call.services.database;
  ShownProfile shown{co_await database.one<Profile>(kProfile, account), {}};
  shown.teams = co_await database.all<TeamOfMine>(kTeams, account);
  co_return json(200, shown);
}

Async<Reply> change(Call& call) {
  const auto wanted = co_await call.json<NewProfile>();
  if (wanted.avatar_url && !wanted.avatar_url->starts_with("https://"))
    throw_unprocessable({{"avatarUrl", "must begin with https://"}});
  const std::string account = co_await call.account();
  co_await call.services.database.query(
      "update users set name = coalesce($2, name), avatar_url = coalesce($3, avatar_url) where id = $1",
      {account, wanted.name, wanted.avatar_url});
  co_await call.services.reply_cache.invalidate({account_tag(call.user()->issuer, call.user()->subject)});
  Reply reply = co_await show(call);
  co_return reply;
}

// ---- Leaving -----------------------------------------------------------------------------------------------------------

struct Deleted {
  bool deleted = true;
  std::vector<std::string> kept;
  void fields(auto& f) {
    f("deleted", deleted);
    f("kept", kept);
  }
};

// Locks the teams that they own (A4 in core/accounts.h); of each, whether somebody else owns or is in it.
constexpr const char* kOwned = R"sql(
with mine as (
  select t.id, t.name from teams t join team_members m on m.team_id = t.id
   where m.user_id = $1 and m.role = 'owner' order by t.id for update of t
)
select id, name, exists (select from team_members o where o.team_id = mine.id and o.user_id <> $1 and o.role = 'owner') as owned,
       exists (select from team_members o where o.team_id = mine.id and o.user_id <> $1) as shared
  from mine)sql";

struct Owned {
  std::string id, name;
  bool owned = false, shared = false;
  void fields(auto& f) {
    f("id", id);
    f("name", name);
    f("owned", owned);
    f("shared", shared);
  }
};

// What analysts count stays; whose it was, what was asked and what came of it go.
constexpr const char* kForgetJobs = R"sql(
update only jobs set user_email = '(deleted)', user_id = null, owner = null, ip_address = null, frame_name = null,
       payload = '{}', result = null, error_message = null, error_stack = null, attempt_errors = null
 where user_id = $1 and owner = $1)sql";

Async<Reply> leave(Call& call) {
  const std::string account = co_await call.account();
  Transaction transaction = co_await call.services.database.begin();
  const auto teams = co_await transaction.all<Owned>(kOwned, account);
  std::vector<std::string> left;
  for (const Owned& team : teams) {
    if (team.shared && !team.owned)
      throw Failure(FailureKind::conflict,
                    fmt::format("you are the only owner of {}: make another member an owner, or delete the team, first",
                                team.name));
    if (!team.shared) left.push_back(team.id);
  }
  const auto running =
      co_await transaction.one<std::int64_t>("select count(*) from live_jobs where owner = $1", call.user()->id);
  if (running > 0)
    throw Failure(FailureKind::conflict,
                  fmt::format("{} of your jobs are queued or running: cancel them, or wait, first", running));
  co_await transaction.query("delete from teams where id = any($1::uuid[])", {left});
  co_await transaction.query(kForgetJobs, {call.user()->id});
  co_await transaction.query("delete from usage_by_team where dimension = 'user' and name = $1", {call.user()->id});
  co_await transaction.query("delete from usage_team_durations where dimension = 'user' and name = $1",
                             {call.user()->id});
  co_await transaction.query("delete from users where id = $1", {account});
  co_await transaction.commit();
  co_await call.services.reply_cache.invalidate({account_tag(call.user()->issuer, call.user()->subject)});
  co_return json(200,
                 Deleted{.kept = {"lines of your teams' audit logs and books, under an id that leads to nobody now",
                                  "counts of past jobs and requests, which name nobody"}});
}

}  // namespace

std::vector<Route> profile_routes() {
  constexpr const char* kPath = "/api/v1/user/profile";
  return {{Method::GET,
           kPath,
           show,
           {.summary = "Who you are, and your teams",
            .answers = {{200, json_of<ShownProfile>()}},
            .auth = Auth::required,
            .permission = "profile:read",
            .cache = CacheRule{.fresh = 300s, .tags = {"account:{user}"}, .each = CacheRule::Each::user}}},
          {Method::PATCH,
           kPath,
           change,
           {.summary = "Changes your name or picture",
            .body = json_of<NewProfile>(R"({"name": "Ada"})"),
            .answers = {{200, json_of<ShownProfile>()}},
            .auth = Auth::required}},
          {Method::DELETE,
           "/api/v1/user",
           leave,
           {.summary = "Deletes you, and what is yours alone",
            .answers = {{200, json_of<Deleted>()}},
            .fails = {FailureKind::conflict},
            .auth = Auth::required}}};
}

}  // namespace accounts
