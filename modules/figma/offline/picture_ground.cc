#include "figma/offline/picture_ground.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "figma/offline/pieces.h"

namespace figma {
namespace {

using plugfleet::Pixels;

// How far a channel of the ground's may be from its corners: the last of these that takes no body away, only an edge's
// softness and what compression does around it. Only a white card on pale grey needs the first.
constexpr auto kTolerances = std::to_array({8, 14, 24, 40});
constexpr int kCorner = 24;

// Without its outermost pixels, `times` over; or with as many more. What lies outside changes nothing.
void shrink(Bitmap& mask, int width, int height, int times) {
  const Bitmap whole(width, 1);
  Bitmap row(width);
  for (int round = 0; round < times; ++round) {
    Bitmap before(width, 1);  // the row above, as it was
    for (int y = 0; y < height; ++y) {
      auto* line = &mask[std::size_t(y) * width];
      const auto* below = y + 1 < height ? line + width : whole.data();
      for (int x = 0; x < width; ++x) row[x] = before[x] & line[x] & below[x];
      std::copy_n(line, width, before.data());
      line[0] = row[0] & row[width > 1];
      for (int x = 1; x + 1 < width; ++x) line[x] = row[x - 1] & row[x] & row[x + 1];
      if (width > 1) line[width - 1] = row[width - 2] & row[width - 1];
    }
  }
}
void invert(Bitmap& mask) {
  for (auto& pixel : mask) pixel ^= 1;
}

// Without what is thinner than twice `radius`: the ragged fringe of compression around an object.
Bitmap opened(Bitmap mask, int width, int height, int radius) {
  shrink(mask, width, height, radius);
  invert(mask);
  shrink(mask, width, height, radius);
  invert(mask);
  return mask;
}

class Cutter {
 public:
  explicit Cutter(const Pixels& pixels)
      : pixels_(pixels), width_(int(pixels.size.width)), height_(int(pixels.size.height)), stride_(width_ + 2) {}

  OffGround answer() {
    if (width_ < 4 || height_ < 4 || !corners_agree()) return {};
    measure();
    auto mask = outside();
    const auto around = box_around(pieces_of(mask, width_, height_));
    if (around.area() == 0) return {};
    const int side = std::min(around.width(), around.height());
    auto body = side < 16 ? mask : opened(mask, width_, height_, side < 32 ? 1 : 2);
    const auto bodies = pieces_of(body, width_, height_);
    const auto largest =
        bodies.empty() ? Piece{} : *std::ranges::max_element(bodies, {}, [](const Piece& one) { return one.pixels; });
    const bool object = largest.pixels > 0 && largest.fill() > 0.72F && largest.box.area() > 0.7F * around.area() &&
                        !is_closed_stroke(body, largest);
    if (object) {
      open_ring(body, largest);
      mask = std::move(body);
    } else {
      for (int y = 0; y < height_; ++y) {
        for (int x = 0; x < width_; ++x) mask[std::size_t(y) * width_ + x] = is_ink(x, y);
      }
    }
    OffGround off{object ? Ground::around : Ground::behind,
                  to_oklab(std::uint8_t(ground_[0]), std::uint8_t(ground_[1]), std::uint8_t(ground_[2])), pixels_};
    clear(off.pixels, mask);
    return off;
  }

 private:
  // Of the arrays with a margin of one pixel around.
  int place(int x, int y) const { return (y + 1) * stride_ + x + 1; }
  int apart(int x, int y) const { return apart_[place(x, y)]; }

  // How far each pixel is from the ground, by the channel that is farthest; what is clear is not ground.
  void measure() {
    apart_.assign(std::size_t(stride_) * (height_ + 2), 255);
    for (int y = 0; y < height_; ++y) {
      const auto* p = &pixels_.rgba[std::size_t(y) * width_ * 4];
      auto* to = &apart_[place(0, y)];
      for (int x = 0; x < width_; ++x, p += 4) to[x] = distance(p);
    }
  }
  std::uint8_t distance(const std::uint8_t* p) const {
    const int red = std::abs(p[0] - ground_[0]), green = std::abs(p[1] - ground_[1]),
              blue = std::abs(p[2] - ground_[2]);
    return static_cast<std::uint8_t>(p[3] <= 250 ? 255 : std::max(red, std::max(green, blue)));
  }

  bool corners_agree() {
    const std::array<std::size_t, 4> corners{0, std::size_t(width_ - 1), std::size_t(height_ - 1) * width_,
                                             std::size_t(width_) * height_ - 1};
    for (const auto corner : corners) {
      for (int c = 0; c < 3; ++c) ground_[c] += pixels_.rgba[corner * 4 + c];
    }
    for (auto& channel : ground_) channel /= 4;
    return std::ranges::all_of(corners,
                               [this](std::size_t corner) { return distance(&pixels_.rgba[corner * 4]) <= kCorner; });
  }

  // Marks what the places of `front` reach over ground of this tolerance, and counts it; `front` is then what stopped
  // it.
  int flood(std::vector<int>& front, int tolerance, Bitmap& marks, std::uint8_t mark) const {
    int count = 0;
    std::vector<int> open, stopped;
    const auto is_open = [&](int i) { return !marks[i] && apart_[i] <= tolerance; };
    for (const int i : front) {
      if (!marks[i]) (is_open(i) ? open : stopped).push_back(i);
    }
    while (!open.empty()) {
      int left = open.back(), right = left + 1;
      open.pop_back();
      if (marks[left]) continue;
      while (is_open(left - 1)) --left;
      while (is_open(right)) ++right;
      std::fill(&marks[left], &marks[right], mark);
      count += right - left;
      if (!marks[left - 1]) stopped.push_back(left - 1);
      if (!marks[right]) stopped.push_back(right);
      for (const int row : {-stride_, stride_}) {
        for (int i = left + row; i < right + row; ++i) {
          if (marks[i]) continue;
          if (apart_[i] > tolerance) {
            stopped.push_back(i);
          } else if (i == left + row || !is_open(i - 1)) {
            open.push_back(i);  // one of each run
          }
        }
      }
    }
    front = std::move(stopped);
    return count;
  }
  Bitmap unmarked() const {  // for flood: the margin counts as visited
    Bitmap marks(apart_.size(), 1);
    for (int y = 0; y < height_; ++y) std::fill_n(&marks[place(0, y)], width_, 0);
    return marks;
  }
  Bitmap mask_of(const Bitmap& marks, auto&& is_in) const {
    Bitmap mask(std::size_t(width_) * height_);
    for (int y = 0; y < height_; ++y) {
      const auto* from = &marks[place(0, y)];
      auto* to = &mask[std::size_t(y) * width_];
      for (int x = 0; x < width_; ++x) to[x] = is_in(from[x]);
    }
    return mask;
  }

  // 1 where no way over ground leads to from the edge, by the tolerance that is found.
  Bitmap outside() {
    std::vector<int> front;
    for (int x = 0; x < width_; ++x) front.push_back(place(x, 0)), front.push_back(place(x, height_ - 1));
    for (int y = 0; y < height_; ++y) front.push_back(place(0, y)), front.push_back(place(width_ - 1, y));
    auto marks = unmarked();  // then 1 and up: the first tolerance that leads there
    std::array<int, kTolerances.size() + 1> rest{width_ * height_};  // that no way leads to, by that mark
    for (std::size_t i = 0; i < kTolerances.size(); ++i) {
      rest[i + 1] = rest[i] - flood(front, kTolerances[i], marks, std::uint8_t(i + 1));
    }
    std::size_t loosest = kTolerances.size();
    while (loosest > 1 && rest[loosest] * 10 < rest[1] * 9) {
      // Is what it takes away more a body of its own, not the fringe of compression around another?
      const auto lost =
          opened(mask_of(marks, [=](std::uint8_t mark) { return mark > 1 && mark <= loosest; }), width_, height_, 2);
      if (std::ranges::count(lost, 1) * 20 <= rest[1]) break;
      --loosest;
    }
    tolerance_ = kTolerances[loosest - 1];
    return mask_of(marks, [=](std::uint8_t mark) { return mark == 0 || mark > loosest; });
  }

  // Plainly apart from the ground; or a little, and nothing near is much more, whose fringe it may be.
  bool is_ink(int x, int y) const {
    constexpr int kPale = 32, kFringe = 3;
    const int own = apart(x, y);
    if (own > tolerance_ || own <= kPale) return own > tolerance_;
    for (int v = std::max(0, y - kFringe); v <= std::min(height_ - 1, y + kFringe); ++v) {
      for (int u = std::max(0, x - kFringe); u <= std::min(width_ - 1, x + kFringe); ++u) {
        if (apart(u, v) > 2 * own) return false;
      }
    }
    return true;
  }

  // Clears what is not in the mask. A pixel at its edge is a mixture with the ground: it is cleared too, or takes the
  // colour of the purest beside it.
  void clear(Pixels& pixels, const Bitmap& mask) const {
    auto inner = mask;
    shrink(inner, width_, height_, 1);
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) {
        const std::size_t i = std::size_t(y) * width_ + x;
        if (inner[i]) continue;
        std::size_t purest = i;
        int most = apart(x, y);
        const auto compare = [&](int u, int v) {
          if (u < 0 || v < 0 || u >= width_ || v >= height_ || apart(u, v) <= most) return;
          most = apart(u, v), purest = std::size_t(v) * width_ + u;
        };
        if (mask[i]) compare(x, y - 1), compare(x - 1, y), compare(x + 1, y), compare(x, y + 1);
        if (!mask[i] || 2 * apart(x, y) < most) {
          pixels.rgba[i * 4 + 3] = 0;
        } else {
          std::copy_n(&pixels_.rgba[purest * 4], 4, &pixels.rgba[i * 4]);
        }
      }
    }
  }

  // Whether the body is ground within, and its ends differ: a house's walls and roof, no surface.
  bool is_closed_stroke(const Bitmap& body, const Piece& piece) const {
    const Box& box = piece.box;
    if (piece.fill() > 0.9F) return false;
    int inside = 0, sides = 0, ends = 0;  // those of the corners: right less left, low less high
    for (int y = box.top; y < box.bottom; ++y) {
      for (int x = box.left; x < box.right; ++x) {
        if (!body[std::size_t(y) * width_ + x]) continue;
        inside += apart(x, y) <= tolerance_;
        const int across = 4 * (x - box.left) / box.width(), down = 4 * (y - box.top) / box.height();
        if (across % 3 == 0 && down % 3 == 0) sides += across ? 1 : -1, ends += down ? 1 : -1;
      }
    }
    return inside * 5 > piece.pixels && float(std::max(std::abs(sides), std::abs(ends))) > box.area() / 40;
  }

  // A ring shows the ground in its middle: what is round in what is round, and the smaller part of it.
  void open_ring(Bitmap& body, const Piece& ring) const {
    const auto round = [](const Piece& one) {
      return one.fill() > 0.7F && one.fill() < 0.85F &&
             std::abs(one.box.width() - one.box.height()) * 16 <= one.box.width();
    };
    if (!round(ring)) return;
    std::vector<int> front{place((ring.box.left + ring.box.right) / 2, (ring.box.top + ring.box.bottom) / 2)};
    auto marks = unmarked();
    flood(front, tolerance_, marks, 2);
    const auto hole = mask_of(marks, [](std::uint8_t mark) { return mark == 2; });
    const auto holes = pieces_of(hole, width_, height_);
    if (holes.size() != 1 || !round(holes[0]) || holes[0].pixels * 5 < ring.pixels || holes[0].pixels * 2 > ring.pixels)
      return;
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = body[i] && !hole[i];
  }

  const Pixels& pixels_;
  const int width_, height_, stride_;
  int tolerance_ = 0;
  std::array<int, 3> ground_{};
  Bitmap apart_;  // each pixel from the ground
};

}  // namespace

OffGround take_off_ground(const Pixels& pixels) { return Cutter(pixels).answer(); }

}  // namespace figma
