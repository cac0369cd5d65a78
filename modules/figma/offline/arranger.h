// A frame cut into rows and columns, as deep as straight cuts go, and put together again with other gaps, sizes and
// type. What no cut parts (a knot) stays as it is to each other. Layers outside the frame, and what they hold, stay.
//
//   frame -> stack of rows -> row of columns -> layer -> its content -> ...
//
// Each cell says what it wants (measure), from the leaves up, and is given its place (place), from the frame down:
// first along x, then, the widths being known, along y. Pure.
#pragma once

#include <optional>
#include <vector>

#include "figma/offline/frame.h"

namespace figma {

enum class Density { dense, airy };

struct Style {
  Density density = Density::dense;
  double strength = 1;  // of what happens to gaps, 0 to 1
  double squeeze = 1;   // how high pictures and plain shapes stay
  bool type = true;     // text takes a step on the scale
  bool sizes = true;    // small shapes shrink with a dense frame
};

struct Arrangement {
  std::vector<Box> boxes;     // by layer, not rounded
  std::vector<double> fonts;  // by layer, as it was where it is not text or tells no size
};

// Nothing where it does not fit into the frame.
std::optional<Arrangement> arrange(const Frame& frame, const Style& style);

// A size of text one step down or up the type scale, never under 11 pixels unless it was.
double stepped(double size, Density density);

}  // namespace figma
