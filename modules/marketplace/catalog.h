// What is published, for everybody: GET /api/v1/plugins, GET /api/v1/marketplace, GET /api/v1/marketplace/{slug}.
#pragma once

#include <plugfleet/module.h>

namespace marketplace {

using namespace plugfleet;

std::vector<Route> catalog_routes();

}  // namespace marketplace
