#include "io/redis_address.h"

#include "base/text.h"
#include "wire/address.h"

namespace plugfleet {
namespace {

constexpr std::string_view kSentinel = "sentinel://";

}  // namespace

std::optional<RedisAddress::Place> parse_redis_place(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  std::string_view host = text.substr(0, colon), digits = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = number_in<int>(digits, 1, 65535);
  if (!port || !is_ip_address(host)) return std::nullopt;
  return RedisAddress::Place{std::string(host), *port};
}

std::optional<RedisAddress> parse_redis_address(std::string_view text) {
  RedisAddress address;
  if (!text.starts_with(kSentinel)) {
    if (text.contains('/') || !text.contains(':')) {
      address.path = text;
    } else if (const auto place = parse_redis_place(text)) {
      address.places.push_back(*place);
    } else {
      return std::nullopt;
    }
    return address;
  }
  text.remove_prefix(kSentinel.size());
  const std::size_t slash = text.find('/');
  if (slash == text.npos || slash + 1 == text.size()) return std::nullopt;
  address.master = text.substr(slash + 1);
  for (std::string_view rest = text.substr(0, slash);;) {
    const std::size_t comma = rest.find(',');
    const auto place = parse_redis_place(rest.substr(0, comma));
    if (!place) return std::nullopt;
    address.places.push_back(*place);
    if (comma == rest.npos) return address;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace plugfleet
