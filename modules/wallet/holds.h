// Credits set aside, then taken or given back, by a team's admins: POST /api/v1/teams/{id}/wallet/holds,
// .../holds/{holdId}/capture, .../holds/{holdId}/release. With an Idempotency-Key each is done once: the same request
// with it is answered as the first was, another is a 422. What was refused is not remembered, and may be asked again.
#pragma once

#include <plugfleet/module.h>

namespace wallet {

std::vector<plugfleet::Route> hold_routes();

}  // namespace wallet
