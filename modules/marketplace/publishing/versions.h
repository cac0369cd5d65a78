// A plugin's versions, for its publisher: POST /api/v1/plugins/{slug}/versions, DELETE /api/v1/plugins/{slug}/versions/{version}.
#pragma once

#include <plugfleet/module.h>

namespace marketplace {

std::vector<plugfleet::Route> version_routes();

}  // namespace marketplace
