#include "wire/url.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "wire/address.h"

namespace plugfleet {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool only(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) { return is_letter_or_digit(c) || others.contains(c); });
}

bool is_host(const std::string& host) {
  if (host.starts_with('[') && host.ends_with(']')) return is_ipv6(host.substr(1, host.size() - 2));
  return !host.empty() && only(host, ".-_");
}

}  // namespace

std::string Url::text() const { return fmt::format("{}://{}{}{}", scheme, host, port.empty() ? "" : ":" + port, path); }

bool Url::is_loopback() const {
  if (is_loopback_address(host.starts_with('[') ? host.substr(1, host.size() - 2) : host)) return true;
  return host == "localhost" || host.ends_with(".localhost");  // RFC 6761, section 6.3
}

std::optional<Url> parse_url(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == text.npos || !only(text, "-._~:/@!$&()*+,;=%[]")) return std::nullopt;
  Url url{.scheme = lower(text.substr(0, colon)), .user{}, .host{}, .port{}, .path{}};
  if (url.scheme != "http" && url.scheme != "https") return std::nullopt;
  text.remove_prefix(colon + 3);
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash);
  url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  if (const std::size_t at = authority.rfind('@'); at != authority.npos) {
    url.user = authority.substr(0, at + 1);
    authority.remove_prefix(at + 1);
  }
  const std::size_t port = authority.rfind(':');
  if (port != authority.npos && !authority.ends_with(']')) {
    url.port = authority.substr(port + 1);
    if (!number_in<int>(url.port, 1, 65535)) return std::nullopt;
    authority = authority.substr(0, port);
  }
  url.host = lower(authority);
  return is_host(url.host) ? std::optional(url) : std::nullopt;
}

bool is_private_url(std::string_view text) {
  const auto url = parse_url(text);
  return url && url->user.empty() && (url->scheme == "https" || url->is_loopback());
}

}  // namespace plugfleet
