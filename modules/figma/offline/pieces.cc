#include "figma/offline/pieces.h"

#include <algorithm>
#include <utility>

namespace figma {
namespace {

struct Run {  // of ink, in one row
  int row, left, right;
  std::size_t first;  // a run of the same piece, found earlier; itself where it is the first
};

std::size_t first_of(std::vector<Run>& runs, std::size_t i) {
  while (runs[i].first != i) i = runs[i].first = runs[runs[i].first].first;
  return i;
}

}  // namespace

std::vector<Piece> pieces_of(const Bitmap& ink, int width, int height) {
  constexpr int kSpeck = 3;
  std::vector<Run> runs;
  std::size_t above = 0;  // where the row above begins
  for (int y = 0; y < height; ++y) {
    const std::size_t here = runs.size();
    const auto *row = &ink[std::size_t(y) * width], *end = row + width;
    for (int x = 0; x < width;) {
      const auto* first = std::find(row + x, end, 1);
      if (first == end) break;
      const int left = static_cast<int>(first - row);
      x = static_cast<int>(std::find(first, end, 0) - row);
      const std::size_t i = runs.size();
      runs.push_back({y, left, x, i});
      while (above < here && runs[above].right < left) ++above;
      for (auto touching = above; touching < here && runs[touching].left <= x; ++touching) {
        const auto [low, high] = std::minmax(first_of(runs, i), first_of(runs, touching));
        runs[high].first = low;
      }
    }
    above = here;
  }
  std::vector<Piece> pieces(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto& run = runs[i];
    auto& [box, pixels] = pieces[first_of(runs, i)];
    const Box own{run.left, run.row, run.right, run.row + 1};
    box = pixels == 0 ? own
                      : Box{std::min(box.left, own.left), std::min(box.top, own.top), std::max(box.right, own.right),
                            std::max(box.bottom, own.bottom)};
    pixels += run.right - run.left;
  }
  std::erase_if(pieces, [](const Piece& one) { return one.pixels <= kSpeck; });
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
