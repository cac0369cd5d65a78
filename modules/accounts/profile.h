// Who somebody is: GET, PATCH /api/v1/user/profile, DELETE /api/v1/user.
#pragma once

#include <plugfleet/module.h>

namespace accounts {

std::vector<plugfleet::Route> profile_routes();

// The tag of a user's cached profile; whoever changes what it shows invalidates it, once that is committed.
std::string profile_tag(std::string_view issuer, std::string_view subject);

}  // namespace accounts
