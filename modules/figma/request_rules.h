// What the requests of this module have in common: who asks, and layers whose ids are distinct.
#pragma once

#include <fmt/format.h>
#include <plugfleet/module.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace figma {

inline constexpr std::size_t kLayersMax = 500;
inline constexpr std::size_t kOffloadBytes = 256 * 1024;  // checking more than this would hold the reactor up

inline plugfleet::Rule email() {
  return {.length_min = 1, .length_max = 255, .contains = "@", .complaint = "must be an e-mail address"};
}

template <class Layer>
std::vector<plugfleet::Detail> twins_among(const std::vector<Layer>& layers) {
  std::vector<plugfleet::Detail> wrong;
  std::unordered_map<std::string_view, std::size_t> first;
  for (std::size_t i = 0; i < layers.size() && wrong.size() < plugfleet::kDetailsMax; ++i) {
    const auto [twin, fresh] = first.emplace(layers[i].id, i);
    if (fresh) continue;
    const std::string path = plugfleet::field_path(plugfleet::field_path("layers", i), "id");
    wrong.push_back({path, fmt::format("is the same as layers[{}].id", twin->second)});
  }
  return wrong;
}

}  // namespace figma
