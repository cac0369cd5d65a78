// The offline provider's words for a layer: a name made from the picture alone, such as "Blue Pill Button" or "Warm
// Landscape Photo". It says what can be seen (colour, shape, size, how it was made) and guesses no subjects.
// Pure and deterministic; CPU work, so not for the reactor's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "wire/image.h"

namespace figma {

inline constexpr std::size_t kNameMax = 60;

// `node_type` is Figma's ("FRAME", "TEXT", ...; an unknown one is not an error). `current_name` counts only where it says
// what the layer is for ("btn / primary" is a button). The name is Title Case, 1 to kNameMax ASCII characters.
std::expected<std::string, plugfleet::ImageError> offline_name(std::string_view node_type,
                                                               std::string_view current_name,
                                                               std::span<const std::uint8_t> image);

}  // namespace figma
