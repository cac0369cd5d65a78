#include "figma/colour_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"

namespace figma {

using namespace plugfleet;

namespace {

Rgb rgb_of(std::uint32_t value) {
  return {static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 8),
          static_cast<std::uint8_t>(value)};
}

std::optional<WrittenColour> from_digits(std::string_view digits, bool marked) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return {};
  if (digits.size() == 3)
    return WrittenColour{rgb_of(((value & 0xf00) << 8 | (value & 0xf0) << 4 | (value & 0xf)) * 0x11)};
  if (digits.size() == 6) return WrittenColour{rgb_of(value)};
  if (digits.size() == 8 && marked) return WrittenColour{rgb_of(value >> 8), (value & 0xff) / 255.0};
  return {};
}

// 0 to 255, or a percentage of that. A fraction of 255 is none: some write 0.5 for the half of it.
std::optional<int> channel_of(std::string_view text) {
  const auto [value, unit] = number_before<int>(text).value_or(std::pair(-1, ""));
  if (value < 0) return {};
  if (unit == "%" && value <= 100) return static_cast<int>(std::lround(value * 255 / 100.0));
  return unit.empty() && value <= 255 ? std::optional(value) : std::nullopt;
}

// 0 to 1, or a percentage; what can't be read hides nothing.
double opacity_of(std::string_view text) {
  const auto [value, unit] = number_before<double>(text).value_or(std::pair(1, ""));
  return std::clamp(unit == "%" ? value / 100 : value, 0.0, 1.0);
}

std::optional<WrittenColour> from_function(std::string_view text) {
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
  return WrittenColour{{channels[0], channels[1], channels[2]}, words.size() == 4 ? opacity_of(words[3]) : 1};
}

}  // namespace

std::optional<WrittenColour> read_colour(std::string_view text) {
  constexpr std::size_t kMost = 64;
  if (text.size() > kMost) return {};
  const bool marked = text.starts_with('#');
  const auto colour = from_digits(text.substr(marked ? 1 : 0), marked);
  return colour ? colour : from_function(text);
}

}  // namespace figma
