#include "core/ai/ai_addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "wire/url.h"

namespace plugfleet {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool only(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) { return is_letter_or_digit(c) || others.contains(c); });
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
  if (url->scheme == "http" && plain == PlainHttp::loopback && !url->is_loopback()) {
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
