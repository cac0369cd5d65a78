// What a team publishes: POST /api/v1/plugins, PATCH /api/v1/plugins/{slug}, GET /api/v1/teams/{id}/packages. Its versions
// come by publishing/.
#pragma once

#include <plugfleet/module.h>

namespace marketplace {

using namespace plugfleet;

std::vector<Route> package_routes();

struct Package {
  std::string id, slug, team_id;
  bool blocked = false;
  void fields(auto& f);
};

void Package::fields(auto& f) {
  f("id", id);
  f("slug", slug);
  f("teamId", team_id);
  f("blocked", blocked);
}

// Published or not, blocked or not. Throws Failure(not_found).
Async<Package> package_of(Sql& sql, std::string slug);

}  // namespace marketplace
