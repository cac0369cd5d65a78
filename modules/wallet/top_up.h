// Credits that were paid for elsewhere: POST /api/v1/wallet/webhook, by Standard Webhooks (wire/webhook_signature.h).
#pragma once

#include <plugfleet/module.h>

namespace wallet {

// `secret`: "whsec_..."; without one the route answers 404.
std::vector<plugfleet::Route> top_up_routes(const std::string& secret);

}  // namespace wallet
