#include "figma/picture_ground.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "figma/pieces.h"

namespace figma {
namespace {

using plugfleet::Pixels;

// How far a channel of the ground's may be from its corners: the first of these that takes away no more than an edge's
// softness and what compression does around it. Only a white card on pale grey needs the last.
constexpr auto kTolerances = std::to_array({40, 24, 14, 8});
constexpr int kTight = 8, kCorner = 24;

// Of each row, or each column where `step` is the width, 1 where `radius` to both sides are all `wanted`, else not.
void narrow(Bitmap& mask, int lines, int length, int line_step, int step, int radius, std::uint8_t wanted) {
  std::vector<std::uint8_t> line(length);
  for (int l = 0; l < lines; ++l) {
    int run = radius;  // of `wanted`; what is outside counts as that
    for (int i = 0; i < length + radius; ++i) {
      run = i >= length || mask[l * line_step + i * step] == wanted ? run + 1 : 0;
      if (i >= radius) line[i - radius] = run > 2 * radius ? wanted : 1 - wanted;
    }
    for (int i = 0; i < length; ++i) mask[l * line_step + i * step] = line[i];
  }
}

// Without what is thinner than twice `radius`: the ragged fringe of compression around an object.
Bitmap opened(Bitmap mask, int width, int height, int radius) {
  for (const std::uint8_t wanted : {1, 0}) {
    narrow(mask, height, width, width, 1, radius, wanted);
    narrow(mask, width, height, 1, width, radius, wanted);
  }
  return mask;
}

class Cutter {
 public:
  explicit Cutter(const Pixels& pixels)
      : pixels_(pixels), width_(int(pixels.size.width)), height_(int(pixels.size.height)) {}

  OffGround answer() {
    if (width_ < 4 || height_ < 4 || !corners_agree()) return {};
    apart_.resize(pixels_.rgba.size() / 4);
    for (std::size_t i = 0; i < apart_.size(); ++i) apart_[i] = distance(i);
    auto mask = outside(kTight);
    tolerance_ = kTight;
    const auto most = count(mask);
    for (const int tolerance : kTolerances) {
      auto looser = outside(tolerance);
      if (count(looser) * 10 < most * 9 && loses_a_body(mask, looser)) continue;
      mask = std::move(looser), tolerance_ = tolerance;
      break;
    }
    const auto around = box_around(pieces_of(mask, width_, height_));
    if (around.area() == 0) return {};
    const int side = std::min(around.width(), around.height());
    auto body = side < 16 ? mask : opened(mask, width_, height_, side < 32 ? 1 : 2);
    const auto bodies = pieces_of(body, width_, height_);
    const auto largest =
        bodies.empty() ? Piece{} : *std::ranges::max_element(bodies, {}, [](const Piece& one) { return one.pixels; });
    const bool object = largest.pixels > 0 && largest.fill() > 0.72F && largest.box.area() > 0.7F * around.area() &&
                        !is_closed_stroke(body, largest.box);
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
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) keep(mask, x, y, &off.pixels.rgba[(std::size_t(y) * width_ + x) * 4]);
    }
    return off;
  }

 private:
  static std::ptrdiff_t count(const Bitmap& mask) { return std::ranges::count(mask, 1); }

  // Plainly apart from the ground; or a little, and nothing near is much more, whose fringe it may be.
  bool is_ink(int x, int y) const {
    constexpr int kPale = 32, kFringe = 3;
    const int own = apart_[std::size_t(y) * width_ + x];
    if (own > tolerance_ || own <= kPale) return own > tolerance_;
    for (int v = std::max(0, y - kFringe); v <= std::min(height_ - 1, y + kFringe); ++v) {
      for (int u = std::max(0, x - kFringe); u <= std::min(width_ - 1, x + kFringe); ++u) {
        if (apart_[std::size_t(v) * width_ + u] > 2 * own) return false;
      }
    }
    return true;
  }

  // A pixel at the mask's edge is a mixture with the ground: it is cleared, or takes the colour of the purest beside
  // it.
  void keep(const Bitmap& mask, int x, int y, std::uint8_t* pixel) const {
    const std::size_t i = std::size_t(y) * width_ + x;
    bool at_edge = false;
    std::size_t purest = i;
    if (mask[i]) {
      for (int v = std::max(0, y - 1); v <= std::min(height_ - 1, y + 1); ++v) {
        for (int u = std::max(0, x - 1); u <= std::min(width_ - 1, x + 1); ++u) {
          const std::size_t j = std::size_t(v) * width_ + u;
          at_edge |= !mask[j];
          if ((u == x || v == y) && apart_[j] > apart_[purest]) purest = j;
        }
      }
    }
    if (!mask[i] || (at_edge && 2 * apart_[i] < apart_[purest])) {
      pixel[3] = 0;
    } else if (at_edge) {
      std::copy_n(&pixels_.rgba[purest * 4], 4, pixel);
    }
  }

  // Whether the body is ground within, and its ends differ: a house's walls and roof, no surface.
  bool is_closed_stroke(const Bitmap& body, const Box& box) const {
    int inside = 0, all = 0, sides = 0, ends = 0;  // those of the corners: right less left, low less high
    for (int y = box.top; y < box.bottom; ++y) {
      for (int x = box.left; x < box.right; ++x) {
        const std::size_t i = std::size_t(y) * width_ + x;
        if (!body[i]) continue;
        ++all, inside += is_ground(i, tolerance_);
        const int across = 4 * (x - box.left) / box.width(), down = 4 * (y - box.top) / box.height();
        if (across % 3 == 0 && down % 3 == 0) sides += across ? 1 : -1, ends += down ? 1 : -1;
      }
    }
    return inside * 5 > all && static_cast<float>(std::max(std::abs(sides), std::abs(ends))) > box.area() / 40;
  }

  // Whether what `looser` takes away more is a body of its own, not the fringe of compression around another.
  bool loses_a_body(const Bitmap& mask, const Bitmap& looser) const {
    Bitmap lost(mask.size());
    for (std::size_t i = 0; i < mask.size(); ++i) lost[i] = mask[i] && !looser[i];
    return count(opened(std::move(lost), width_, height_, 2)) * 20 > count(mask);
  }

  // Of a pixel from the ground, by the channel that is farthest; what is clear is no ground.
  std::uint8_t distance(std::size_t i) const {
    const auto* p = &pixels_.rgba[i * 4];
    if (p[3] <= 250) return 255;
    return static_cast<std::uint8_t>(
        std::max({std::abs(p[0] - ground_[0]), std::abs(p[1] - ground_[1]), std::abs(p[2] - ground_[2])}));
  }
  bool is_ground(std::size_t i, int tolerance) const { return apart_[i] <= tolerance; }

  bool corners_agree() {
    const std::array<std::size_t, 4> corners{0, std::size_t(width_ - 1), std::size_t(height_ - 1) * width_,
                                             std::size_t(width_) * height_ - 1};
    for (const auto corner : corners) {
      for (int c = 0; c < 3; ++c) ground_[c] += pixels_.rgba[corner * 4 + c];
    }
    for (auto& channel : ground_) channel /= 4;
    return std::ranges::all_of(corners, [this](std::size_t corner) { return distance(corner) <= kCorner; });
  }

  // 1 where no way over ground leads to from the edge.
  Bitmap outside(int tolerance) const {
    std::vector<int> edge;
    for (int x = 0; x < width_; ++x) edge.push_back(x), edge.push_back((height_ - 1) * width_ + x);
    for (int y = 0; y < height_; ++y) edge.push_back(y * width_), edge.push_back(y * width_ + width_ - 1);
    return flooded(edge, tolerance);
  }

  // 0 where ground is that one of `seeds` reaches over ground, else 1.
  Bitmap flooded(const std::vector<int>& seeds, int tolerance) const {
    Bitmap mask(std::size_t(width_) * height_, 1);
    std::vector<int> open;
    const auto visit = [&](int i) {
      if (mask[i] && is_ground(i, tolerance)) mask[i] = 0, open.push_back(i);
    };
    for (const int seed : seeds) visit(seed);
    while (!open.empty()) {
      const int i = open.back(), x = i % width_;
      open.pop_back();
      if (x > 0) visit(i - 1);
      if (x + 1 < width_) visit(i + 1);
      if (i >= width_) visit(i - width_);
      if (i + width_ < width_ * height_) visit(i + width_);
    }
    return mask;
  }

  // A ring shows the ground in its middle: what is round in what is round, and the smaller part of it.
  void open_ring(Bitmap& body, const Piece& ring) const {
    const auto round = [](const Piece& one) {
      return one.fill() > 0.7F && one.fill() < 0.85F &&
             std::abs(one.box.width() - one.box.height()) * 16 <= one.box.width();
    };
    if (!round(ring)) return;
    const int middle = (ring.box.top + ring.box.bottom) / 2 * width_ + (ring.box.left + ring.box.right) / 2;
    auto hole = flooded({middle}, tolerance_);
    for (auto& pixel : hole) pixel = !pixel;
    const auto holes = pieces_of(hole, width_, height_);
    if (holes.size() != 1 || !round(holes[0]) || holes[0].pixels * 5 < ring.pixels || holes[0].pixels * 2 > ring.pixels)
      return;
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = body[i] && !hole[i];
  }

  const Pixels& pixels_;
  const int width_, height_;
  int tolerance_ = kTight;
  std::array<int, 3> ground_{};
  std::vector<std::uint8_t> apart_;  // each pixel from the ground
};

}  // namespace

OffGround take_off_ground(const Pixels& pixels) { return Cutter(pixels).answer(); }

}  // namespace figma
