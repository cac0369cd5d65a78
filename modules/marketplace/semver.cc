#include "marketplace/semver.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace marketplace {

namespace {

constexpr std::size_t kDigitsMost = 15;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_in_identifier(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-'; }

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= kDigitsMost && std::ranges::all_of(text, is_digit) &&
         (text.size() == 1 || text[0] != '0');
}

// What stands before the first `mark`; `text` becomes what is behind it, or empty.
std::string_view taken(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  const std::string_view first = text.substr(0, at);
  text = at == text.npos ? std::string_view() : text.substr(at + 1);
  return first;
}

// Numbers come before words, a shorter number before a longer one; and "!", which is before all that an identifier may
// hold, ends each, so that whatever goes on is after what ends.
std::optional<std::string> key_of_prerelease(std::string_view text) {
  std::string key;
  while (true) {
    const bool last = !text.contains('.');
    const std::string_view identifier = taken(text, '.');
    if (identifier.empty() || !std::ranges::all_of(identifier, is_in_identifier)) return std::nullopt;
    if (is_number(identifier)) {
      key += fmt::format("0{:02}{}!", identifier.size(), identifier);
    } else if (std::ranges::all_of(identifier, is_digit)) {
      return std::nullopt;  // 01, or too long
    } else {
      key += fmt::format("1{}!", identifier);
    }
    if (last) return key;
  }
}

}  // namespace

std::optional<Semver> semver(std::string_view text) {
  if (text.size() > kVersionMost) return std::nullopt;
  const std::size_t dash = text.find('-');
  std::string_view numbers = text.substr(0, dash);
  if (std::ranges::count(numbers, '.') != 2) return std::nullopt;
  Semver version;
  for (std::int64_t* const part : {&version.major, &version.minor, &version.patch}) {
    const std::string_view number = taken(numbers, '.');
    if (!is_number(number)) return std::nullopt;
    *part = *plugfleet::number_in<std::int64_t>(number);
  }
  if (dash == text.npos) return version;
  version.prerelease_key = key_of_prerelease(text.substr(dash + 1));
  if (!version.prerelease_key) return std::nullopt;
  return version;
}

}  // namespace marketplace
