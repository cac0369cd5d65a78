#include "figma/offline/signs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>

namespace figma {
namespace {

constexpr int kSide = 32, kEnd = kSide - 1;

// A part of the ink, stretched to 32 x 32.
class Grid {
 public:
  Grid(const Drawing& drawing, Box box) {
    for (int v = 0; v < kSide; ++v) {
      const int y = box.top + (2 * v + 1) * box.height() / (2 * kSide);
      for (int u = 0; u < kSide; ++u) {
        const int x = box.left + (2 * u + 1) * box.width() / (2 * kSide);
        cells_[v][u] = drawing.ink[std::size_t(y) * drawing.width + x] != 0;
      }
    }
  }

  bool at(int x, int y) const { return cells_[y][x]; }

  Grid turned() const {  // by a quarter
    Grid to = *this;
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) to.cells_[x][kEnd - y] = cells_[y][x];
    }
    return to;
  }

  // The part of a rectangle, both ends within it, that is ink.
  float share(int left, int top, int right, int bottom) const {
    int count = 0;
    for (int y = top; y <= bottom; ++y) {
      for (int x = left; x <= right; ++x) count += at(x, y);
    }
    return static_cast<float>(count) / static_cast<float>((right - left + 1) * (bottom - top + 1));
  }
  bool clear(int left, int top, int right, int bottom) const { return share(left, top, right, bottom) < 0.08F; }

  int first_in_row(int y) const {
    return edge([&](int i) { return at(i, y); });
  }
  int last_in_row(int y) const {
    return kEnd - edge([&](int i) { return at(kEnd - i, y); });
  }
  int first_in_column(int x) const {
    return edge([&](int i) { return at(x, i); });
  }
  int last_in_column(int x) const {
    return kEnd - edge([&](int i) { return at(x, kEnd - i); });
  }

  // How much of it is the same when left and right change places.
  float symmetry() const {
    int same = 0, all = 0;
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) all += at(x, y), same += at(x, y) && at(kEnd - x, y);
    }
    return all == 0 ? 0 : static_cast<float>(same) / static_cast<float>(all);
  }

 private:
  static int edge(auto&& is_ink) {  // kSide where there is none
    int i = 0;
    while (i < kSide && !is_ink(i)) ++i;
    return i;
  }
  std::array<std::array<bool, kSide>, kSide> cells_{};
};

bool near(int value, int wanted, int by) { return std::abs(value - wanted) <= by; }

bool is_plus(const Grid& g) {
  return g.share(0, 15, kEnd, 16) > 0.95F && g.share(15, 0, 16, kEnd) > 0.95F && g.clear(0, 0, 9, 9) &&
         g.clear(22, 0, kEnd, 9) && g.clear(0, 22, 9, kEnd) && g.clear(22, 22, kEnd, kEnd);
}

bool is_cross(const Grid& g) {
  int on = 0;
  for (int i = 2; i < kSide - 2; ++i) on += g.at(i, i) + g.at(i, kEnd - i);
  return on >= 54 && g.clear(12, 0, 19, 6) && g.clear(12, 25, 19, kEnd) && g.clear(0, 12, 6, 19) &&
         g.clear(25, 12, kEnd, 19);
}

// Faces right: a tip in the middle of the right side from which both edges fall back.
bool is_tipped(const Grid& g) {
  if (g.last_in_row(15) < 28 && g.last_in_row(16) < 28) return false;
  for (int y = 0; y + 3 < 15; ++y) {
    if (g.last_in_row(y) > g.last_in_row(y + 3) + 1 || g.last_in_row(kEnd - y) > g.last_in_row(kEnd - y - 3) + 1)
      return false;
  }
  return near(g.last_in_row(8), g.last_in_row(kEnd - 8), 3);
}

bool is_chevron(const Grid& g) {
  return is_tipped(g) && g.clear(0, 12, 9, 19) && g.share(0, 0, 12, 4) > 0.3F && g.share(0, 27, 12, kEnd) > 0.3F &&
         g.clear(22, 0, kEnd, 7) && g.clear(22, 24, kEnd, kEnd) && near(g.first_in_row(8), g.first_in_row(23), 4);
}

bool is_arrow(const Grid& g) {
  return is_tipped(g) && g.share(1, 15, kEnd - 1, 16) > 0.95F && g.clear(0, 0, 6, 9) && g.clear(0, 22, 6, kEnd) &&
         g.last_in_row(2) < 28 && g.share(8, 0, 28, 6) > 0.1F && g.clear(26, 0, kEnd, 5);
}

bool is_triangle(const Grid& g) {
  for (int y = 3; y < kSide - 3; ++y) {
    const int width = kSide - std::abs(2 * y - kEnd);
    if (g.first_in_row(y) > 3 || !near(g.last_in_row(y), width, 5)) return false;
  }
  return g.share(2, 10, 14, 21) > 0.95F;
}

bool is_check(const Grid& g) {
  return g.share(26, 0, kEnd, 5) > 0.3F && g.clear(0, 0, 14, 7) && g.clear(23, 17, kEnd, kEnd) &&
         g.clear(0, 27, 3, kEnd) && g.share(7, 26, 18, kEnd) > 0.3F && g.share(0, 10, 4, 24) > 0.15F &&
         g.clear(8, 4, 15, 14);
}

bool is_magnifier(const Grid& g) {
  // A ring around (12, 12), and a handle to the corner.
  const bool ring = g.clear(8, 8, 15, 15) && g.at(12, 0) + g.at(12, 1) + g.at(12, 2) > 0 &&
                    g.at(0, 12) + g.at(1, 12) + g.at(2, 12) > 0;
  return ring && g.share(27, 27, kEnd, kEnd) > 0.3F && g.clear(26, 0, kEnd, 18) && g.clear(0, 26, 18, kEnd) &&
         g.clear(0, 0, 2, 2) && g.share(20, 20, 27, 27) > 0.25F;
}

bool is_heart(const Grid& g) {
  const int notch = std::min(g.first_in_column(15), g.first_in_column(16));
  return g.symmetry() > 0.85F && notch >= 3 && notch <= 14 && g.first_in_column(7) <= 2 && g.first_in_column(24) <= 2 &&
         std::max(g.last_in_column(15), g.last_in_column(16)) >= 29 && g.last_in_column(3) <= 22 &&
         g.last_in_column(28) <= 22 && g.clear(0, 25, 6, kEnd);
}

bool is_star(const Grid& g) {
  const auto width = [&](int y) { return g.last_in_row(y) - g.first_in_row(y); };
  const int arms = std::max({width(10), width(11), width(12), width(13)});
  return g.symmetry() > 0.85F && g.clear(0, 0, 10, 6) && g.clear(21, 0, kEnd, 6) && g.at(15, 2) + g.at(16, 2) > 0 &&
         arms >= 27 && width(20) <= 22 && g.clear(0, 18, 3, kEnd) && g.clear(13, 30, 18, kEnd) &&
         g.share(3, 27, 12, kEnd) > 0.15F && g.share(19, 27, 28, kEnd) > 0.15F;
}

std::string_view pointing(Grid g) {
  for (int turn = 0; turn < 4; ++turn, g = g.turned()) {
    if (is_chevron(g)) return "Chevron Icon";
    if (is_arrow(g)) return "Arrow Icon";
  }
  return {};
}

bool same(float one, float other, float by = 0.15F) {
  return std::abs(one - other) <= by * std::max(one, other) + 1.0F;
}
float middle_x(const Box& box) { return static_cast<float>(box.left + box.right) / 2; }
float middle_y(const Box& box) { return static_cast<float>(box.top + box.bottom) / 2; }

// Of one size, and as far apart each from the next.
bool is_row(const std::vector<Piece>& pieces) {
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    const auto &first = pieces[0].box, &before = pieces[i - 1].box, &box = pieces[i].box;
    if (!same(float(box.width()), float(first.width())) || !same(float(box.height()), float(first.height())))
      return false;
    if (!same(middle_x(box) - middle_x(before), middle_x(pieces[1].box) - middle_x(first), 0.1F)) return false;
    if (std::abs(middle_y(box) - middle_y(first)) > 0.15F * float(first.height()) + 1) return false;
  }
  return true;
}

std::string_view row_of(const Drawing& d, const std::vector<Piece>& pieces) {
  if (pieces.size() < 3 || pieces.size() > 10 || !is_row(pieces)) return {};
  const auto& first = pieces[0];
  const float ratio = float(first.box.width()) / float(first.box.height());
  if (ratio < 0.8F || ratio > 1.25F) return {};
  const auto star = [&](const Piece& one) { return one.box.width() >= 7 && is_star(Grid(d, one.box)); };
  if (std::ranges::any_of(pieces, star)) return "Star Rating";
  if (first.fill() < 0.66F || first.fill() > 0.95F || float(first.box.width()) * d.scale > 24) return {};
  return pieces.size() == 3 && float(d.width) * d.scale <= 64 ? "More Icon" : "Page Dots";
}

bool is_menu(const std::vector<Piece>& pieces) {
  if (pieces.size() != 3) return false;
  for (const auto& [box, pixels] : pieces) {
    if (box.width() < 3 * box.height() || box.left > pieces[0].box.left + box.width() / 4) return false;
    if (!same(float(box.height()), float(pieces[0].box.height()), 0.35F)) return false;
  }
  const float first = middle_y(pieces[1].box) - middle_y(pieces[0].box),
              second = middle_y(pieces[2].box) - middle_y(pieces[1].box);
  const Box around = box_around(pieces);
  return first > 1 && same(first, second) && around.width() < 3 * around.height();
}

bool is_bar_chart(const Drawing& d, const std::vector<Piece>& pieces) {
  if (pieces.size() < 3 || pieces.size() > 40 || float(d.width) * d.scale < 48) return false;
  int lowest = pieces[0].box.height(), tallest = lowest;
  for (const auto& piece : pieces) {
    const auto& box = piece.box;
    if (piece.fill() < 0.82F || !same(float(box.width()), float(pieces[0].box.width()))) return false;
    if (std::abs(box.bottom - pieces[0].box.bottom) > 2 || box.width() * 3 > d.width) return false;
    lowest = std::min(lowest, box.height()), tallest = std::max(tallest, box.height());
  }
  return tallest * 4 > lowest * 5 && tallest * 4 > d.height;
}

bool is_line_chart(const Drawing& d, const Piece& piece) {
  const Box& box = piece.box;
  if (float(box.width()) * d.scale < 80 || box.width() * 10 < d.width * 6 || box.height() * 6 < d.height) return false;
  if (piece.fill() > 0.35F) return false;
  int runs = 0;
  for (int x = box.left; x < box.right; ++x) {
    bool before = false;
    for (int y = box.top; y < box.bottom; ++y) {
      const bool now = d.ink[std::size_t(y) * d.width + x] != 0;
      runs += now && !before;
      before = now;
    }
  }
  return runs * 10 < box.width() * 11;
}

// Thin over its whole width but for a knob.
bool is_slider(const Drawing& d) {
  if (d.width < 4 * d.height || d.height < 6) return false;
  int thick = 0, first = d.width, last = 0, tall = 0;
  for (int x = 0; x < d.width; ++x) {
    int top = d.height, bottom = -1;
    for (int y = 0; y < d.height; ++y) {
      if (d.ink[std::size_t(y) * d.width + x]) top = std::min(top, y), bottom = y;
    }
    if (bottom < 0) return false;
    if (2 * (bottom - top + 1) <= d.height + 1) continue;
    ++thick, first = std::min(first, x), last = x;
    tall = std::max(tall, bottom - top + 1);
  }
  return thick > 2 && last - first + 1 <= thick + 1 && same(float(thick), float(tall), 0.35F);
}

}  // namespace

std::string_view icon_in(const Drawing& drawing, Box box) {
  if (box.width() < 5 || box.height() < 5) return {};
  const float ratio = float(box.width()) / float(box.height());
  if (ratio < 0.4F || ratio > 2.5F) return {};
  const Grid grid(drawing, box);
  if (is_plus(grid)) return "Plus Icon";
  if (is_cross(grid)) return "Close Icon";
  if (is_heart(grid)) return "Heart Icon";
  if (is_star(grid)) return "Star Icon";
  if (is_magnifier(grid)) return "Search Icon";
  if (is_triangle(grid)) return "Play Icon";
  if (is_check(grid)) return "Check Icon";
  return pointing(grid);
}

std::string_view sign_of(const Drawing& drawing) {
  if (drawing.pieces.empty()) return {};
  auto across = drawing.pieces;
  const float largest = std::ranges::max(across, {}, [](const Piece& one) { return one.box.area(); }).box.area();
  std::erase_if(across, [&](const Piece& one) { return one.box.area() < 0.04F * largest; });  // specks, and captions
  auto down = across;
  std::ranges::sort(across, {}, [](const Piece& one) { return one.box.left; });
  std::ranges::sort(down, {}, [](const Piece& one) { return one.box.top; });
  if (is_menu(down)) return "Menu Icon";
  if (const auto row = row_of(drawing, across); !row.empty()) return row;
  if (is_bar_chart(drawing, across)) return "Bar Chart";
  if (is_slider(drawing)) return "Slider";
  const auto longest = static_cast<float>(std::max(drawing.width, drawing.height)) * drawing.scale;
  // With much else around it, it is a part of a card.
  if (across.size() == 1 && drawing.pieces.size() <= 6 && is_line_chart(drawing, across[0])) return "Line Chart";
  if (across.size() <= 2 && longest <= 128) return icon_in(drawing, box_around(across));
  return {};
}

// ISO/IEC 18004: in three corners a square in a ring, its row 1, 1, 3, 1, 1 modules dark and light by turns.
bool is_qr_code(const Drawing& drawing) {
  const Box box = box_around(drawing.pieces);
  if (box.width() < 21 || std::abs(box.width() - box.height()) * 10 > box.width() || drawing.pieces.size() < 4)
    return false;
  const auto dark = [&](int x, int y, bool right, bool low) {
    const int column = right ? box.right - 1 - x : box.left + x, row = low ? box.bottom - 1 - y : box.top + y;
    return drawing.ink[std::size_t(row) * drawing.width + column] != 0;
  };
  int side = 0;
  while (side < box.width() && dark(side, 0, false, false)) ++side;
  const float module = static_cast<float>(side) / 7;
  if (side * 2 > box.width() || module < 1) return false;
  for (const auto& [right, low] : {std::pair{false, false}, {true, false}, {false, true}}) {
    int wrong = 0;
    for (int v = 0; v < 7; ++v) {
      for (int u = 0; u < 7; ++u) {
        const int ring = std::max(std::abs(u - 3), std::abs(v - 3));
        const int x = static_cast<int>((float(u) + 0.5F) * module), y = static_cast<int>((float(v) + 0.5F) * module);
        wrong += dark(x, y, right, low) != (ring != 2);
      }
    }
    if (wrong > 5) return false;
  }
  return true;
}

bool has_letters(const Drawing& drawing) {
  if (drawing.pieces.size() < 4) return false;
  std::vector<int> heights;
  heights.reserve(drawing.pieces.size());
  for (const auto& piece : drawing.pieces) heights.push_back(piece.box.height());
  std::ranges::nth_element(heights, heights.begin() + std::ptrdiff_t(heights.size() / 2));
  const int usual = heights[heights.size() / 2];
  float all = 0, small = 0;
  for (const auto& [box, pixels] : drawing.pieces) {
    all += static_cast<float>(pixels);
    if (box.height() <= 2.4F * static_cast<float>(usual)) small += static_cast<float>(pixels);
  }
  return small > 0.85F * all;
}

namespace {

struct Span {
  int first, end;
  float middle() const { return static_cast<float>(first + end) / 2; }
};

// Where pieces lie one beside another, on the axis that `of` reads: parted by `gap` or more of nothing.
std::vector<Span> spans(const std::vector<Piece>& pieces, float gap, auto&& of) {
  std::vector<Span> all, out;
  all.reserve(pieces.size());
  for (const auto& piece : pieces) all.push_back(of(piece.box));
  std::ranges::sort(all, {}, &Span::first);
  for (const auto& one : all) {
    if (out.empty() || static_cast<float>(one.first - out.back().end) >= gap) {
      out.push_back(one);
    } else {
      out.back().end = std::max(out.back().end, one.end);
    }
  }
  return out;
}

Span across(const Box& box) { return {box.left, box.right}; }
Span down(const Box& box) { return {box.top, box.bottom}; }

// Three rows or more of cells that stand under each other in three columns or more.
bool is_table(const Drawing& d, const std::vector<Piece>& small) {
  if (small.size() < 9 || float(d.width) * d.scale < 160) return false;
  const auto rows = spans(small, 1, down);
  if (rows.size() < 3) return false;
  int tall = 0;
  for (const auto& row : rows) tall = std::max(tall, row.end - row.first);
  const auto columns = spans(small, float(tall), across);
  if (columns.size() < 3) return false;
  int full = 0;
  for (const auto& row : rows) {
    std::size_t cells = 0;
    for (const auto& column : columns) {
      cells += std::ranges::any_of(small, [&](const Piece& one) {
        return one.box.top >= row.first && one.box.bottom <= row.end && one.box.left >= column.first &&
               one.box.right <= column.end;
      });
    }
    full += cells + 1 >= columns.size() && cells >= 3;
  }
  return full >= 3 && std::size_t(full) * 4 >= rows.size() * 3;
}

bool evenly_spread(const std::vector<Span>& groups) {
  for (std::size_t i = 2; i < groups.size(); ++i) {
    if (!same(groups[i].middle() - groups[i - 1].middle(), groups[1].middle() - groups[0].middle())) return false;
  }
  return true;
}

// A filled shape with a label, at the right end of the lower third; nothing as large as a picture above it.
bool is_dialog(const Drawing& d, const std::vector<Piece>& pieces) {
  if (pieces.size() < 8 || d.width * 10 < d.height * 9 || float(d.width) * d.scale < 220 ||
      float(d.height) * d.scale < 120)
    return false;
  const auto is_button = [&](const Piece& one) {
    const auto& [left, top, right, bottom] = one.box;
    return one.fill() > 0.55F && one.box.width() * 2 >= one.box.height() * 3 && right * 20 > d.width * 17 &&
           left * 10 > d.width * 4 && top * 10 > d.height * 6 && float(one.box.height()) * d.scale >= 24;
  };
  return std::ranges::any_of(pieces, is_button) && std::ranges::none_of(pieces, [&](const Piece& one) {
           return one.box.area() > 0.2F * float(d.width * d.height);
         });
}

}  // namespace

std::string_view arrangement_of(const Drawing& d, bool on_surface) {
  if (d.pieces.empty() || d.height == 0) return {};
  const float width = float(d.width) * d.scale, height = float(d.height) * d.scale;
  const float ratio = width / height;
  std::vector<Piece> things;  // all but rules, from one side to the other
  bool underline = false;
  for (const auto& piece : d.pieces) {
    const auto& box = piece.box;
    const bool thin = box.height() <= std::max(3, d.height / 9) && box.width() >= 6 * box.height();
    if (thin && box.width() * 10 > d.width * 7) continue;
    if (thin && piece.fill() > 0.7F && box.bottom * 5 > d.height * 4 && float(box.width()) * d.scale >= 24) {
      underline = true;
      continue;
    }
    things.push_back(piece);
  }
  if (things.empty()) return {};
  const auto& largest = *std::ranges::max_element(things, {}, [](const Piece& one) { return one.box.area(); });
  if (height <= 128 && ratio >= 3 && ratio <= 20) {
    const int tall =
        std::ranges::max_element(things, {}, [](const Piece& one) { return one.box.height(); })->box.height();
    const auto groups = spans(things, std::min(0.9F * float(tall), 0.3F * float(d.height)), across);
    if (underline && groups.size() >= 2 && groups.size() <= 8) return "Tab Bar";
    if (on_surface && largest.box.height() * 10 >= d.height * 6 && largest.fill() > 0.5F &&
        largest.box.width() * 10 <= d.width * 6 && largest.box.width() * 7 >= d.width && things.size() >= 3)
      return "Segmented Control";
    if (width >= 240 && groups.size() >= 3 && groups.size() <= 6 && evenly_spread(groups) &&
        groups.front().first * 4 < d.width && groups.back().end * 4 > d.width * 3)
      return "Tab Bar";
    if (width >= 300 && ratio >= 4 && groups.size() >= 4 && groups.front().first * 8 < d.width &&
        groups.back().end * 8 > d.width * 7)
      return "Navigation Bar";
    return {};
  }
  std::vector<Piece> small = things;
  std::erase_if(small, [&](const Piece& one) { return one.box.height() * 6 > d.height; });
  if (small.size() == things.size() && is_table(d, small)) return "Table";
  if (is_dialog(d, things)) return "Dialog";
  return {};
}

}  // namespace figma
