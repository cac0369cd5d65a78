#include "figma/pieces.h"

#include <algorithm>

namespace figma {

std::vector<Piece> pieces_of(const Bitmap& ink, int width, int height) {
  constexpr int kSpeck = 3;
  std::vector<Piece> pieces;
  Bitmap left = ink;
  std::vector<int> open;
  for (int start = 0; start < width * height; ++start) {
    if (!left[start]) continue;
    Piece piece{{width, height, 0, 0}};
    left[start] = 0;
    open.push_back(start);
    while (!open.empty()) {
      const int i = open.back(), x = i % width, y = i / width;
      open.pop_back();
      ++piece.pixels;
      piece.box = {std::min(piece.box.left, x), std::min(piece.box.top, y), std::max(piece.box.right, x + 1),
                   std::max(piece.box.bottom, y + 1)};
      for (int ny = std::max(0, y - 1); ny <= std::min(height - 1, y + 1); ++ny) {
        for (int nx = std::max(0, x - 1); nx <= std::min(width - 1, x + 1); ++nx) {
          if (auto& next = left[ny * width + nx]) next = 0, open.push_back(ny * width + nx);
        }
      }
    }
    if (piece.pixels > kSpeck) pieces.push_back(piece);
  }
  return pieces;
}

Box box_around(const std::vector<Piece>& pieces) {
  if (pieces.empty()) return {};
  Box around = pieces.front().box;
  for (const auto& [box, pixels] : pieces) {
    around = {std::min(around.left, box.left), std::min(around.top, box.top), std::max(around.right, box.right),
              std::max(around.bottom, box.bottom)};
  }
  return around;
}

}  // namespace figma
