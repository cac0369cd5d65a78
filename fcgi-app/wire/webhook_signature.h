// Signatures of webhooks by Standard Webhooks (https://www.standardwebhooks.com, version 1): an HMAC-SHA256 of
// "id.timestamp.body" by a secret that sender and receiver share.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace plugfleet {

// The key in a secret "whsec_..."; none where it is no Base64 of 24 to 64 bytes.
std::optional<std::string> webhook_key(std::string_view secret);

struct WebhookHead {
  std::string_view id, timestamp, signatures;  // of webhook-id, webhook-timestamp, webhook-signature
};

// Whether one of the signatures ("v1,..." with spaces between; others are passed over) is the key's, and the timestamp no
// more than five minutes from `now`: an older message is somebody's copy.
bool is_webhook_signed(std::string_view key, const WebhookHead& head, std::string_view body,
                       std::chrono::system_clock::time_point now);

}  // namespace plugfleet
