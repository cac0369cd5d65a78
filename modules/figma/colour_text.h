// Colours as Figma, CSS and models write them.
#pragma once

#include <optional>
#include <string_view>

#include "figma/offline/colour_theory.h"

namespace figma {

struct WrittenColour {
  Rgb rgb;
  double opacity = 1;  // 0 to 1
};

// "#RGB", "#RRGGBB", "#RRGGBBAA", the first two without their mark, and "rgb(17, 34, 51)" in each of its spellings (CSS
// Color 4, section 5.1). None where another reading is possible.
std::optional<WrittenColour> read_colour(std::string_view text);

}  // namespace figma
