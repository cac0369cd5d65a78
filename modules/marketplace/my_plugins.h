// What a member may open, and by what right: GET /api/v1/teams/{id}/my-plugins,
// PUT /api/v1/teams/{id}/members/{userId}/plugins/{slug}, POST /api/v1/teams/{id}/plugins/{slug}/token.
//
// A member may open a plugin that the team has installed and enabled, where no operator has blocked it or its version, and no
// admin has shut that member out.
#pragma once

#include <plugfleet/module.h>

namespace marketplace {

using namespace plugfleet;

std::vector<Route> my_plugin_routes();

}  // namespace marketplace
