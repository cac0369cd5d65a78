// Small things that are done with text everywhere. Letters are ASCII's; pure, nothing is thrown but for memory.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace plugfleet {

// Without the spaces and tabs at its ends.
std::string_view trimmed(std::string_view text);

char lower(char c);
std::string lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

// For what is optional, and may be kept as an empty text.
std::optional<std::string> none_if_empty(std::string text);

// The decimal number that `text` begins with, and what follows it; none where it begins with none, or with one that T
// can't hold.
template <class T>
  requires std::is_arithmetic_v<T>
std::optional<std::pair<T, std::string_view>> number_before(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return std::pair{number, text.substr(static_cast<std::size_t>(end - text.data()))};
}

// The decimal number that all of `text` is.
template <class T>
std::optional<T> number_in(std::string_view text) {
  const auto number = number_before<T>(text);
  return number && number->second.empty() ? std::optional(number->first) : std::nullopt;
}

// The same, from `least` to `most`.
template <class T>
std::optional<T> number_in(std::string_view text, T least, T most) {
  const auto number = number_in<T>(text);
  return number && *number >= least && *number <= most ? number : std::nullopt;
}

}  // namespace plugfleet
