#include "accounts/invitations.h"

#include <fmt/format.h>

#include "base/digest.h"

namespace accounts {

using namespace plugfleet;

namespace {

constexpr int kOpenMax = 200;  // of one team
constexpr std::string_view kInvited[] = {"admin", "member", "viewer"};

struct NewInvitation {
  std::string email, role;
  void fields(auto& f) {
    f("email", email, Rule{.length_min = 3, .length_max = 254, .contains = "@"});
    f("role", role, one_of(kInvited));
  }
};

struct MadeInvitation {
  std::string id, url, expires_at;
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("url", url);
    f("expiresAt", expires_at, time_text());
  }
};

struct Invitation {
  std::string id, email, role, created_at, expires_at;
  std::optional<std::string> invited_by;
  void fields(auto& f) {
    f("id", id, uuid_text());
    f("email", email);
    f("role", role, one_of(kInvited));
    f("invitedBy", invited_by);
    f("createdAt", created_at, time_text());
    f("expiresAt", expires_at, time_text());
  }
};

struct Invitations {
  std::vector<Invitation> invitations;
  std::optional<std::string> next_cursor;
  void fields(auto& f) {
    f("invitations", invitations);
    f("nextCursor", next_cursor);
  }
};

struct Accepted {
  std::string team_id, role;
  void fields(auto& f) {
    f("teamId", team_id, uuid_text());
    f("role", role, one_of(kInvited));
  }
};

struct Made {
  std::string id, expires_at;
  void fields(auto& f) {
    f("id", id);
    f("expiresAt", expires_at);
  }
};

Async<Reply> invite(Call& call, std::string team) {
  const auto wanted = co_await call.json<NewInvitation>();
  const Member member = co_await call.member_of(team, Role::admin);
  const std::string token = new_token("");
  Transaction transaction = co_await call.services.database.begin();
  co_await transaction.query("select from teams where id = $1 for update", {team});
  const auto open = co_await transaction.one<std::int64_t>(
      "select count(*) from team_invitations where team_id = $1 and accepted_at is null and expires_at > now()", team);
  if (open >= kOpenMax)
    throw Failure(FailureKind::conflict, fmt::format("{} invitations of this team are open; revoke some first", open));
  const Made made = co_await transaction.one<Made>(
      "insert into team_invitations (team_id, email, role, token_hash, invited_by, expires_at)"
      " values ($1, lower($2), $3, decode($4, 'hex'), $5, now() + interval '7 days')"
      " returning id, rfc3339(expires_at) as expires_at",
      team, wanted.email, wanted.role, sha256_hex(token), member.account);
  co_await note_in_audit_log(transaction, {.team = team,
                                           .account = member.account,
                                           .action = "invitation.create",
                                           .details = Json::object({{"invitation", made.id}, {"role", wanted.role}})});
  co_await transaction.commit();
  const std::string url = call.services.public_url + "/invitations/" + token;
  co_return json(201, MadeInvitation{made.id, url, made.expires_at});
}

constexpr const char* kList = R"sql(
select i.id, i.email, i.role, coalesce(u.name, u.email) as invited_by, rfc3339(i.created_at) as created_at,
       rfc3339(i.expires_at) as expires_at
  from team_invitations i left join users u on u.id = i.invited_by
 where i.team_id = $1 and i.accepted_at is null and i.expires_at > now() and ($2::uuid is null or i.id > $2)
 order by i.id limit $3)sql";

Async<Reply> list(Call& call, std::string team) {
  const auto page = call.query<PageQuery>();
  const PageKey<1> after(page.cursor);
  const Member member = co_await call.member_of(team, Role::admin);
  Invitations shown;
  shown.invitations = co_await call.services.database.all<Invitation>(kList, team, after.uuid(0), page.rows());
  shown.next_cursor = page.next(shown.invitations, [](const Invitation& last) { return page_cursor({last.id}); });
  co_return json(200, shown);
}

Async<Reply> revoke(Call& call, std::string team, std::string invitation) {
  const Member member = co_await call.member_of(team, Role::admin);
  const auto id = canonical_uuid(invitation);
  if (!id) throw Failure(FailureKind::not_found, "there is no such invitation");
  Transaction transaction = co_await call.services.database.begin();
  const Rows gone = co_await transaction.query(
      "delete from team_invitations where team_id = $1 and id = $2 and accepted_at is null", {team, *id});
  if (gone.affected() == 0) throw Failure(FailureKind::not_found, "there is no such invitation");
  co_await note_in_audit_log(transaction, {.team = team,
                                           .account = member.account,
                                           .action = "invitation.revoke",
                                           .details = Json::object({{"invitation", *id}})});
  co_await transaction.commit();
  co_return Reply{.status = 204};
}

struct Open {
  std::string id, team_id, email, role;
  void fields(auto& f) {
    f("id", id);
    f("teamId", team_id);
    f("email", email);
    f("role", role);
  }
};

// An unknown token, one that was used, revoked or is late: the same to whoever tries.
Async<Reply> accept(Call& call, std::string token) {
  const std::string account = co_await call.account();
  Transaction transaction = co_await call.services.database.begin();
  const auto open = co_await transaction.maybe<Open>(
      "update team_invitations set accepted_at = now()"
      " where token_hash = decode($1, 'hex') and accepted_at is null and expires_at > now()"
      " and exists (select from teams t where t.id = team_id and t.suspended_at is null)"
      " returning id, team_id, email, role",
      sha256_hex(token));
  if (!open) throw Failure(FailureKind::not_found, "this invitation is not valid, or not any more");
  if (!call.user()->email || lower(*call.user()->email) != open->email)
    throw Failure(FailureKind::forbidden, "this invitation is for another email address");
  const Rows joined = co_await transaction.query(
      "insert into team_members (team_id, user_id, role) values ($1, $2, $3) on conflict do nothing",
      {open->team_id, account, open->role});
  if (joined.affected() == 0) throw Failure(FailureKind::conflict, "you are a member of this team already");
  co_await note_in_audit_log(transaction, {.team = open->team_id,
                                           .account = account,
                                           .action = "invitation.accept",
                                           .details = Json::object({{"invitation", open->id}, {"role", open->role}})});
  co_await transaction.commit();
  co_await call.services.reply_cache.invalidate({account_tag(call.user()->issuer, call.user()->subject)});
  co_return json(200, Accepted{open->team_id, open->role});
}

}  // namespace

std::vector<Route> invitation_routes() {
  constexpr const char* kAll = "/api/v1/teams/{id}/invitations";
  const std::vector<FailureKind> fails{FailureKind::not_found, FailureKind::forbidden, FailureKind::conflict};
  return {{Method::POST,
           kAll,
           invite,
           {.summary = "Invites somebody by a link (admins)",
            .body = json_of<NewInvitation>(R"({"email": "ada@example.com", "role": "member"})"),
            .answers = {{201, json_of<MadeInvitation>()}},
            .fails = fails,
            .auth = Auth::required,
            .limit = per_client(60, 1min)}},
          {Method::GET,
           kAll,
           list,
           {.summary = "The invitations that are open (admins)",
            .query = type_of<PageQuery>(),
            .answers = {{200, json_of<Invitations>()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required}},
          {Method::DELETE,
           "/api/v1/teams/{id}/invitations/{invitationId}",
           revoke,
           {.summary = "Revokes an invitation (admins)",
            .answers = {{204, nothing()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required}},
          {Method::POST,
           "/api/v1/invitations/{token}/accept",
           accept,
           {.summary = "Joins the team that the invitation is of",
            .body = nothing(),
            .answers = {{200, json_of<Accepted>()}},
            .fails = fails,
            .auth = Auth::required,
            .limit = per_client(20, 1min)}}};
}

}  // namespace accounts
