// Teams: POST, GET /api/v1/teams, GET, PATCH, DELETE /api/v1/teams/{id}.
#pragma once

#include <plugfleet/module.h>

namespace accounts {

std::vector<plugfleet::Route> team_routes();

}  // namespace accounts
