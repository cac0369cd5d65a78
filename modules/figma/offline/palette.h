// New colours for a frame, by a scheme: from its dominant hue, each layer's role, and what its text stands on. Text
// that stands on a known colour is legible in every scheme (WCAG 2.2 AA, 1.4.3), whatever it was before. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "figma/offline/frame.h"

namespace figma {

enum class Scheme {
  complementary,  // accents across the wheel, grounds with a trace of the dominant hue
  analogous,      // everything within 30 degrees of it
  contrast        // grounds and text to the ends of lightness, accents deep or bright
};

struct Colouring {
  std::vector<std::optional<Rgb>> fills;       // by layer: after the change, or as it is
  std::vector<int> changed;                    // the largest first
  std::optional<std::pair<Rgb, Rgb>> accent;   // the largest one that changed: before and after
  double least_before = 21, least_after = 21;  // contrast of text whose colour and ground are known
};

// At most changes_max layers change: large grounds first, each with all that stands on it.
Colouring colour(const Frame& frame, Scheme scheme, std::size_t changes_max);

// What WCAG 2.2 AA asks of text of this size (the weight is not known).
double contrast_needed(const LayerMetadata& text);

}  // namespace figma
