// What can be said of a layer's picture without knowing what it shows: its outline, its colours, what stands on them,
// and whether it looks drawn, written or photographed. The offline namer's words come from here. Pure and
// deterministic.
#pragma once

#include <cstddef>
#include <optional>

#include "figma/offline/colour_name.h"
#include "figma/offline/signs.h"
#include "wire/image.h"

namespace figma {

enum class Shape { rectangle, rounded, pill, circle, oval, irregular };

// Pixels that differ from the dominant colour; of something cut out, all that is visible. Places are fractions of
// the visible box.
struct Ink {
  float share = 0;  // of the visible pixels; of something cut out, of the box
  float left = 0, right = 0, top = 0, bottom = 0;
  float switches = 0;     // between ink and ground, on an average row that has ink
  std::size_t lines = 0;  // bands of rows that hold ink, as lines of text do
  float line_height = 0;  // of the tallest band, in the source's pixels
};

struct Traits {
  float width = 0, height = 0;  // of the visible box, in the source's pixels; 0 when nothing is visible
  Shape shape = Shape::irregular;
  bool hollow = false;       // an outline, strokes or glyphs: most of the shape's inside is transparent
  bool cut_out = false;      // hollow or irregular: what is visible is itself the ink
  bool outlined = false;     // filled, with a border of another colour around one inner colour
  bool translucent = false;  // even its inside lets the ground through
  bool gradient = false;
  bool plain = false;  // no edge within: one colour, or a gradient
  bool photographic = false;
  bool mirrored = false;                     // its left half resembles its right
  std::size_t colour = 0;                    // the dominant one, as colour_name counts
  std::optional<std::size_t> second_colour;  // one that covers a sixth or more and is plainly another
  std::optional<std::size_t> ink_colour;     // the ink's dominant one, where there is ink
  std::size_t colours = 0;                   // names that cover a twenty-fifth or more
  Oklab mean;
  Ink ink;
  Drawing drawing;  // the ink, without an outline around everything
};

// `ground`: what something cut out lies on.
Traits traits_of(const plugfleet::Pixels& pixels, Oklab ground = {.lightness = 1});

}  // namespace figma
