#include "wire/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/utf8.h"

namespace plugfleet {
namespace {

constexpr std::array<std::string_view, 7> kMethods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "other"};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// Calls `each` with every part of `text` between `separator`s, trimmed.
template <class F>
void split(std::string_view text, char separator, F each) {
  for (;;) {
    const std::size_t at = text.find(separator);
    each(trimmed(text.substr(0, at)));
    if (at == text.npos) return;
    text.remove_prefix(at + 1);
  }
}

}  // namespace

Method parse_method(std::string_view text) {
  const auto found = std::find(kMethods.begin(), kMethods.end() - 1, text);
  return static_cast<Method>(found - kMethods.begin());
}

std::string_view method_name(Method method) { return kMethods[static_cast<std::size_t>(method)]; }

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (out.find('\0') != out.npos || !is_utf8(out)) return std::nullopt;
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char c : text) {
    if (kPlain.contains(c)) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::vector<std::pair<std::string, std::optional<std::string>>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::optional<std::string>>> pairs;
  if (query.empty()) return pairs;
  split(query, '&', [&](std::string_view part) {
    if (part.empty() || pairs.size() == 100) return;
    std::string text(part);
    std::ranges::replace(text, '+', ' ');
    const std::size_t equals = text.find('=');
    auto key = percent_decode(std::string_view(text).substr(0, equals));
    auto value = percent_decode(equals == text.npos ? std::string_view() : std::string_view(text).substr(equals + 1));
    if (key) pairs.emplace_back(std::move(*key), std::move(value));
  });
  return pairs;
}

std::string query_of(const std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
  std::string query;
  for (const auto& [name, value] : pairs) {
    if (!query.empty()) query += '&';
    query.append(percent_encode(name)).append("=").append(percent_encode(value));
  }
  return query;
}

std::string_view cookie_in(std::string_view cookies, std::string_view name) {
  std::string_view found;
  split(cookies, ';', [&](std::string_view cookie) {
    const std::size_t equals = cookie.find('=');
    if (found.empty() && equals != cookie.npos && cookie.substr(0, equals) == name) found = cookie.substr(equals + 1);
  });
  return found;
}

std::string media_type_of(std::string_view content_type) {
  return lower(trimmed(content_type.substr(0, content_type.find(';'))));
}

bool is_json_type(std::string_view content_type) {
  const std::string type = media_type_of(content_type);
  return type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
}

std::string_view bearer_token(std::string_view authorization) {
  if (authorization.size() < 8 || !equal_ignoring_case(authorization.substr(0, 7), "bearer ")) return {};
  return trimmed(authorization.substr(7));
}

bool prefers_async(std::string_view prefer) {
  // A comma within a quoted string separates nothing (RFC 9110 section 5.6.4).
  for (bool more = true; more;) {
    std::size_t end = 0;
    for (bool quoted = false; end < prefer.size() && (quoted || prefer[end] != ','); ++end) {
      if (quoted && prefer[end] == '\\') {
        ++end;
      } else if (prefer[end] == '"') {
        quoted = !quoted;
      }
    }
    const std::string_view preference = prefer.substr(0, end);
    if (equal_ignoring_case(trimmed(preference.substr(0, preference.find_first_of(";="))), "respond-async"))
      return true;
    more = end < prefer.size();
    if (more) prefer.remove_prefix(end + 1);
  }
  return false;
}

bool is_idempotency_key(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace plugfleet
