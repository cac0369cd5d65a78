// Who is in a team: GET /api/v1/teams/{id}/members, PATCH, DELETE /api/v1/teams/{id}/members/{userId}.
#pragma once

#include <plugfleet/module.h>

namespace accounts {

std::vector<plugfleet::Route> member_routes();

}  // namespace accounts
