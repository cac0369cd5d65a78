// Where layers go when a frame is made denser or airier, as instructions.
//
// What holds afterwards, checked before it is given back: layers that did not overlap do not, what lay inside a layer
// or the frame still does, no text is set under 11 pixels. A frame with no room to move keeps its places, and its
// shapes shrink where they stand. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "figma/offline/arranger.h"

namespace figma {

struct Layout {
  std::vector<Box> boxes;                 // by layer
  std::vector<double> fonts;              // the same; as it was where it is not text or tells no size
  bool in_place = false;                  // nothing was moved, shapes shrank
  std::vector<Instruction> instructions;  // move, resize and setFontSize: parents first, at most as many as asked
};

Layout lay_out(const Frame& frame, Density density, std::size_t instructions_max);

}  // namespace figma
