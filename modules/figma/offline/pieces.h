// The pieces that a picture's ink falls into. Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace figma {

struct Box {
  int left = 0, top = 0, right = 0, bottom = 0;  // right and bottom lie outside
  int width() const { return right - left; }
  int height() const { return bottom - top; }
  float area() const { return static_cast<float>(width()) * static_cast<float>(height()); }
};

using Bitmap = std::vector<std::uint8_t>;  // 1 where there is ink, rows from the top

struct Piece {
  Box box;
  int pixels = 0;
  float fill() const { return static_cast<float>(pixels) / box.area(); }
};

// Those that touch, by a side or a corner; specks of compression's are left out.
std::vector<Piece> pieces_of(const Bitmap& ink, int width, int height);
Box box_around(const std::vector<Piece>& pieces);

}  // namespace figma
