// What a picture's ink draws, where its geometry is plain: the signs of everyday icons and controls. Each rule says
// what must hold of the form alone, so that size, colour and the edges' softness do not matter; what fits none has no
// name here. Pure.
#pragma once

#include <string_view>

#include "figma/offline/pieces.h"

namespace figma {

struct Drawing {
  int width = 0, height = 0;  // of the visible box, in the pixels that were decoded
  float scale = 1;            // the source's pixels to one of them
  Bitmap ink;
  std::vector<Piece> pieces;  // of the ink
};

// Of ink that stands alone: "Menu Icon", "Star Rating", "Bar Chart", ...; empty where it is none that is known.
std::string_view sign_of(const Drawing& drawing);

// Of ink on a filled shape: "Check Icon", "Bar Chart", ...; of `piece` alone where it is one.
std::string_view icon_in(const Drawing& drawing, Box box);

bool is_qr_code(const Drawing& drawing);

// Whether it is made of letters: pieces of about one height.
bool has_letters(const Drawing& drawing);

// What stands on a surface: "Table", "Tab Bar", "Navigation Bar", "Segmented Control", "Progress Bar", "Dialog"; empty
// where it is nothing of that kind.
std::string_view arrangement_of(const Drawing& drawing, bool on_surface);

}  // namespace figma
