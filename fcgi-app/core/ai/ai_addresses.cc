#include "core/ai/ai_addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "wire/address.h"

namespace plugfleet {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool only(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) { return is_letter_or_digit(c) || others.contains(c); });
}

// The parts of SCHEME://[USER@]HOST[:PORT][/PATH] (RFC 3986, section 3.2), the host in lower case.
struct Url {
  std::string scheme, user, host, port, path;

  std::string text() const { return fmt::format("{}://{}{}{}", scheme, host, port.empty() ? "" : ":" + port, path); }
};

bool is_host(const std::string& host) {
  if (host.starts_with('[') && host.ends_with(']')) return is_ipv6(host.substr(1, host.size() - 2));
  return !host.empty() && only(host, ".-_");
}

// None where it is not a URL of http or https that a request can be sent to as it stands.
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

bool is_loopback(const std::string& host) {
  if (is_loopback_address(host.starts_with('[') ? host.substr(1, host.size() - 2) : host)) return true;
  return host == "localhost" || host.ends_with(".localhost");  // RFC 6761, section 6.3
}

}  // namespace

std::expected<std::string, std::string> read_base_url(std::string_view text, PlainHttp plain) {
  constexpr std::array<std::string_view, 3> kAdded{"/chat/completions", "/images/generations", ":generateContent"};
  text = trimmed(text);
  if (text.find_first_of("?#") != text.npos)
    return std::unexpected("must end with its path: nothing after a ? or # could be sent");
  const auto url = parse_url(text);
  if (!url) return std::unexpected("must be an address that begins with https://, such as https://api.openai.com/v1");
  if (!url->user.empty()) return std::unexpected("must have no user name or password: the key is sent instead");
  for (const std::string_view added : kAdded) {
    if (url->path.ends_with(added)) return std::unexpected(fmt::format("must end before {}, which is added", added));
  }
  if (url->scheme == "http" && plain == PlainHttp::loopback && !is_loopback(url->host)) {
    return std::unexpected(
        "must begin with https:// where it is not this machine's: the key and the images could be read on their way. "
        "AI_PLAIN_HTTP=anywhere allows it");
  }
  return url->text();
}

std::expected<std::string, std::string> read_proxy(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return "";
  const auto url = parse_url(text);
  if (!url || url->scheme != "http" || url->port.empty() || !url->path.empty())
    return std::unexpected("must be like http://10.8.0.9:3128, or http://USER:PASSWORD@10.8.0.9:3128");
  return fmt::format("http://{}{}:{}", url->user, url->host, url->port);
}

std::expected<std::string, std::string> read_gemini_model(std::string_view text) {
  constexpr std::string_view kFolder = "models/";
  text = trimmed(text);
  if (text.starts_with(kFolder)) text.remove_prefix(kFolder.size());
  if (!only(text, "-._@")) return std::unexpected("must be a model's name alone, such as gemini-2.5-flash");
  return std::string(text);
}

}  // namespace plugfleet
