// What a team has: PUT, DELETE /api/v1/teams/{id}/plugins/{slug}, GET /api/v1/teams/{id}/plugins.
#pragma once

#include <plugfleet/module.h>

namespace marketplace {

using namespace plugfleet;

inline constexpr std::int64_t kInstallsMost = 200;  // of one team

std::vector<Route> install_routes();

// Forgets what teams had that are deleted, and members who have left; counts each plugin's installs anew. How many rows that
// concerned.
Async<std::size_t> tidy_installs(Database& database);

}  // namespace marketplace
