// dashboard: what a team's jobs were and what they cost (the contract's "Dashboard"), from what is counted of them as they end
// (migrations/0013_tell_teams_of_jobs.sql) and those that ended since: exact, however many there are.
#include <fmt/format.h>
#include <plugfleet/module.h>

#include "dashboard/report.h"

namespace dashboard {

using namespace plugfleet;

namespace {

Async<Reply> show(Call& call, std::string team) {
  const Wanted wanted = read_wanted(call.query<UsageQuery>(), WallClock::now());
  co_await call.member_of(team, Role::viewer);
  const Usage usage = co_await usage_of(call.services.replica, team, wanted);
  co_return json(200, usage);
}

Async<Reply> download(Call& call, std::string team) {
  const Wanted wanted = read_wanted(call.query<UsageQuery>(), WallClock::now());
  co_await call.member_of(team, Role::viewer);
  const Usage usage = co_await usage_of(call.services.replica, team, wanted);
  const std::string file = fmt::format("usage-{}-{}-by-{}.csv", wanted.from, wanted.to, wanted.by);
  co_return text(200, csv_of(usage), "text/csv; charset=utf-8")
      .with("Content-Disposition", fmt::format("attachment; filename=\"{}\"", file))
      .with("Cache-Control", "no-store");
}

Module describe(SettingReader&) {
  const auto options = [](std::string summary, Content content) {
    return RouteOptions{.summary = std::move(summary),
                        .query = type_of<UsageQuery>(),
                        .answers = {{200, std::move(content)}},
                        .fails = {FailureKind::not_found},
                        .auth = Auth::required,
                        .permission = "usage:read",
                        .limit = per_client(120, 1min)};
  };
  return {.name = "dashboard",
          .routes = {{Method::GET, "/api/v1/teams/{id}/usage", show,
                      options("A team's jobs and what they cost, by day, kind, plugin or user", json_of<Usage>())},
                     {Method::GET, "/api/v1/teams/{id}/usage.csv", download,
                      options("The same as a table for a spreadsheet", text_of("text/csv"))}}};
}

}  // namespace
}  // namespace dashboard

PLUGFLEET_MODULE(dashboard::describe)
