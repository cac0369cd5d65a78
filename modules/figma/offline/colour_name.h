// Colours as people name them: the nearest of some forty names in Oklab, where equal distances look equally far
// (Ottosson, "A perceptual color space for image processing", 2020). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace figma {

struct Oklab {
  float lightness = 0;  // 0 black to 1 white
  float a = 0;          // green to red
  float b = 0;          // blue to yellow
};

Oklab to_oklab(std::uint8_t red, std::uint8_t green, std::uint8_t blue);
float distance(const Oklab& one, const Oklab& other);

inline constexpr std::size_t kColourNames = 40;
std::size_t nearest_colour(const Oklab& colour);  // below kColourNames
std::string_view colour_name(std::size_t index);  // "Navy"
std::uint32_t colour_value(std::size_t index);    // 0xRRGGBB, the colour that bears the name

}  // namespace figma
