#include "wire/json_string.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/utf8.h"

namespace plugfleet {
namespace {

bool is_high(char32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(char32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }
bool is_lossy(char32_t point) { return point == 0 || is_high(point) || is_low(point); }

// The four digits of the \u escape that `text` begins with.
std::optional<char32_t> unit_at(std::string_view text) {
  std::uint32_t unit = 0;
  if (!text.starts_with("\\u") || text.size() < 6) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + 6, unit, 16);
  return error == std::errc() && end == text.data() + 6 ? std::optional<char32_t>(unit) : std::nullopt;
}

struct Escape {
  std::size_t size;  // 0: it is none of JSON's
  char32_t point;
};

// The one that `text` begins with.
Escape escape_at(std::string_view text) {
  if (const auto unit = unit_at(text)) {
    const auto next = is_high(*unit) ? unit_at(text.substr(6)) : std::nullopt;
    if (next && is_low(*next)) return {12, 0x10000 + ((*unit - 0xD800) << 10) + (*next - 0xDC00)};
    return {6, *unit};
  }
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const std::size_t which = text.size() > 1 ? kLetters.find(text[1]) : kLetters.npos;
  if (which == kLetters.npos) return {0, 0};
  return {2, static_cast<unsigned char>(kMeanings[which])};
}

template <class Shown>
std::string unescaped_as(std::string_view raw, const Shown& shown) {
  std::string out;
  out.reserve(raw.size());
  for (;;) {
    const std::size_t at = std::min(raw.find('\\'), raw.size());
    out += raw.substr(0, at);
    raw.remove_prefix(at);
    if (raw.empty()) return out;
    const Escape escape = escape_at(raw);
    if (escape.size == 0) {
      raw.remove_prefix(1);
      continue;
    }
    append_utf8(out, shown(escape.point));
    raw.remove_prefix(escape.size);
  }
}

}  // namespace

Escapes escapes_in(std::string_view raw) {
  Escapes found = Escapes::none;
  for (std::size_t at = 0; (at = raw.find('\\', at)) != raw.npos;) {
    const Escape escape = escape_at(raw.substr(at));
    if (escape.size == 0) return Escapes::unknown;
    found = std::max(found, is_lossy(escape.point) ? Escapes::lossy : Escapes::exact);
    at += escape.size;
  }
  return found;
}

std::string unescaped(std::string_view raw) {
  constexpr char32_t kReplacement = 0xFFFD;
  return unescaped_as(raw, [](char32_t point) { return is_lossy(point) ? kReplacement : point; });
}

std::string unescaped_exactly(std::string_view raw) {
  return unescaped_as(raw, [](char32_t point) { return point; });
}

}  // namespace plugfleet
