// Personal access tokens: POST, GET /api/v1/user/tokens, DELETE /api/v1/user/tokens/{id}.
#pragma once

#include <plugfleet/module.h>

namespace accounts {

std::vector<plugfleet::Route> token_routes();

}  // namespace accounts
