#include "figma/edits/colour_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "figma/offline/colour_theory.h"
#include "wire/http.h"

namespace figma {

using namespace plugfleet;

namespace {

std::optional<std::string> from_digits(std::string_view digits, bool marked) {
  if (digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos) return {};
  std::string out = "#";
  if (digits.size() == 3) {
    for (const char digit : digits) out.append(2, digit);
  } else if (digits.size() == 6 || (digits.size() == 8 && marked)) {
    out += digits.substr(0, 6);
  } else {
    return {};
  }
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  return out;
}

// 0 to 255, or a percentage of that. A fraction of 255 is none: some write 0.5 for the half of it.
std::optional<int> channel_of(std::string_view text) {
  int value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<std::size_t>(rest - text.data()));
  if (error != std::errc() || value < 0) return {};
  if (unit == "%" && value <= 100) return static_cast<int>(std::lround(value * 255 / 100.0));
  return unit.empty() && value <= 255 ? std::optional(value) : std::nullopt;
}

std::optional<std::string> from_function(std::string_view text) {
  const std::string lowered = lower(text);
  std::string_view rest = lowered;
  if (!rest.starts_with("rgb") || !rest.ends_with(')')) return {};
  rest.remove_prefix(rest.starts_with("rgba") ? 4 : 3);
  if (!rest.starts_with('(')) return {};
  rest = rest.substr(1, rest.size() - 2);
  std::vector<std::string_view> words;
  constexpr const char* kBetween = " ,/";
  while ((rest = rest.substr(std::min(rest.find_first_not_of(kBetween), rest.size()))), !rest.empty()) {
    words.push_back(rest.substr(0, rest.find_first_of(kBetween)));
    rest.remove_prefix(words.back().size());
  }
  if (words.size() < 3 || words.size() > 4) return {};
  std::array<std::uint8_t, 3> channels{};
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const auto channel = channel_of(words[i]);
    if (!channel) return {};
    channels[i] = static_cast<std::uint8_t>(*channel);
  }
  return hex({channels[0], channels[1], channels[2]});
}

}  // namespace

std::optional<std::string> as_hex_colour(std::string_view text) {
  constexpr std::size_t kMost = 64;
  if (text.size() > kMost) return {};
  const bool marked = text.starts_with('#');
  const auto digits = from_digits(text.substr(marked ? 1 : 0), marked);
  return digits ? digits : from_function(text);
}

}  // namespace figma
