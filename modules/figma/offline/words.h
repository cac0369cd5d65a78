// What the offline designer writes: copy in place of placeholder text, and prompts for pictures. A layer's name and
// text are anyone's words: of a name, letters and digits alone are used, and few. Pure.
#pragma once

#include <optional>
#include <string>

#include "figma/offline/frame.h"

namespace figma {

// Copy for a text that is a placeholder ("Button", "Lorem ipsum ..."), no wider than `room` pixels where it is one
// line, about as long where it is more. Nothing for text that says something.
std::optional<std::string> better_text(const LayerMetadata& layer, double font_size, double room);

// `first` and `second` are colours to keep to; `calm`: text stands on the picture.
std::string picture_prompt(const Frame& frame, const Layer& layer, Rgb first, Rgb second, bool calm);

}  // namespace figma
