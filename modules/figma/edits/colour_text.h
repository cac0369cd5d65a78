// Colours as models write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace figma {

// "#RRGGBB" for "#RGB", "#RRGGBB", "#RRGGBBAA", the first two without their mark, and "rgb(17, 34, 51)" in each of its
// spellings (CSS Color 4, section 5.1); what it says of opacity is left out. None where another reading is possible.
std::optional<std::string> as_hex_colour(std::string_view text);

}  // namespace figma
