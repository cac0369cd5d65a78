// Who did what to a team: GET /api/v1/teams/{id}/audit.
#pragma once

#include <plugfleet/module.h>

namespace accounts {

std::vector<plugfleet::Route> audit_routes();

}  // namespace accounts
