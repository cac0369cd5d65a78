// Who somebody is: GET, PATCH /api/v1/user/profile, DELETE /api/v1/user.
#pragma once

#include <plugfleet/module.h>

namespace accounts {

std::vector<plugfleet::Route> profile_routes();

}  // namespace accounts
