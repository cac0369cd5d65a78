// A team's balance and what moved it: GET /api/v1/teams/{id}/wallet, .../wallet/entries.
#pragma once

#include <plugfleet/module.h>

namespace wallet {

std::vector<plugfleet::Route> book_routes();

}  // namespace wallet
