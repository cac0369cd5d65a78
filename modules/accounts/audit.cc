#include "accounts/audit.h"

namespace accounts {

using namespace plugfleet;

namespace {

struct AuditLine {
  std::int64_t number = 0;
  std::string at, action;
  std::optional<std::string> user_id, user_name;  // none: an operator; an id without a name: somebody who has left
  Json details;
  void fields(auto& f) {
    f("number", number);
    f("at", at, time_text());
    f("action", action);
    f("userId", user_id, uuid_text());
    f("userName", user_name);
    f("details", details);
  }
};

struct AuditLines {
  std::vector<AuditLine> lines;
  std::optional<std::string> next_cursor;
  void fields(auto& f) {
    f("lines", lines);
    f("nextCursor", next_cursor);
  }
};

constexpr const char* kList = R"sql(
select l.id as number, rfc3339(l.at) as at, l.action, l.user_id, coalesce(u.name, u.email) as user_name, l.details
  from audit_log l left join users u on u.id = l.user_id
 where l.team_id = $1 and ($2::bigint is null or l.id < $2) order by l.id desc limit $3)sql";

Async<Reply> list(Call& call, std::string team) {
  const auto page = call.query<PageQuery>();
  const PageKey<1> after(page.cursor);
  co_await call.member_of(team, Role::admin);
  AuditLines shown;
  shown.lines = co_await call.services.replica.all<AuditLine>(kList, team, after.number(0), page.rows());
  shown.next_cursor =
      page.next(shown.lines, [](const AuditLine& last) { return page_cursor({std::to_string(last.number)}); });
  co_return json(200, shown);
}

}  // namespace

std::vector<Route> audit_routes() {
  return {{Method::GET,
           "/api/v1/teams/{id}/audit",
           list,
           {.summary = "Who did what to the team, the latest first (admins)",
            .query = type_of<PageQuery>(),
            .answers = {{200, json_of<AuditLines>()}},
            .fails = {FailureKind::not_found, FailureKind::forbidden},
            .auth = Auth::required}}};
}

}  // namespace accounts
