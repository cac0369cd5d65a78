// The names of an enum's values, in one table beside it:
//
//   enum class Colour { red, green };
//   constexpr auto kColours = Names<Colour, 2>({{{Colour::red, "red"}, {Colour::green, "green"}}});
//   constexpr std::string_view name_of(Colour colour) { return kColours.of(colour); }
//
// A table that leaves a value out, or has two values of one name, does not compile.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace plugfleet {

template <class Enum, std::size_t N>
class Names {
 public:
  // A row for each value, in the order of the enum, which counts from 0.
  consteval explicit Names(std::array<std::pair<Enum, std::string_view>, N> rows) : rows_(rows) {
    for (std::size_t i = 0; i < N; ++i) {
      if (static_cast<std::size_t>(rows[i].first) != i) throw "the rows are not in the order of the enum";
      for (std::size_t j = 0; j < i; ++j) {
        if (rows[j].second == rows[i].second) throw "two values have the same name";
      }
      names_[i] = rows[i].second;
    }
  }

  constexpr std::string_view of(Enum value) const { return rows_[static_cast<std::size_t>(value)].second; }
  constexpr std::optional<Enum> find(std::string_view name) const {
    for (const auto& [value, its_name] : rows_) {
      if (its_name == name) return value;
    }
    return std::nullopt;
  }
  constexpr std::span<const std::string_view> all() const { return names_; }
  constexpr auto begin() const { return rows_.begin(); }
  constexpr auto end() const { return rows_.end(); }

 private:
  std::array<std::pair<Enum, std::string_view>, N> rows_;
  std::array<std::string_view, N> names_{};
};

}  // namespace plugfleet
