#include "wire/webhook_signature.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "wire/base64.h"
#include "wire/jwt_signature.h"

namespace plugfleet {
namespace {

using namespace std::chrono_literals;

constexpr auto kTolerance = 5min;
constexpr std::size_t kIdMax = 256;

std::optional<std::string> bytes_of(std::string_view base64) {
  const auto bytes = decode_base64(base64);
  if (!bytes) return std::nullopt;
  return std::string(bytes->begin(), bytes->end());
}

}  // namespace

std::optional<std::string> webhook_key(std::string_view secret) {
  constexpr std::string_view kPrefix = "whsec_";
  if (!secret.starts_with(kPrefix)) return std::nullopt;
  auto key = bytes_of(secret.substr(kPrefix.size()));
  if (!key || key->size() < 24 || key->size() > 64) return std::nullopt;
  return key;
}

bool is_webhook_signed(std::string_view key, const WebhookHead& head, std::string_view body,
                       std::chrono::system_clock::time_point now) {
  const auto at = number_in<std::int64_t>(head.timestamp);
  if (head.id.empty() || head.id.size() > kIdMax || !at) return false;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  if (*at < (seconds - kTolerance).count() || *at > (seconds + kTolerance).count()) return false;
  const SignatureVerifier is_by_key = hs256_verifier(std::string(key));
  const std::string text = fmt::format("{}.{}.{}", head.id, head.timestamp, body);
  std::string_view rest = head.signatures;
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (!one.starts_with("v1,")) continue;
    const auto signature = bytes_of(one.substr(3));
    if (signature && is_by_key(text, *signature)) return true;
  }
  return false;
}

}  // namespace plugfleet
