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
      if (count(looser) * 20 < most * 11) continue;
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
    const auto within = [](int margin) { return margin == 1 || margin == 2; };
    if (within(around.left) && within(around.top) && within(width_ - around.right) && within(height_ - around.bottom)) {
      return {};  // an outline along the edges
    }
    const bool object = largest.pixels > 0 && largest.fill() > 0.72F && largest.box.area() > 0.7F * around.area();
    if (object) {
      mask = std::move(body);
    } else {
      for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = mask[i] && !is_ground(i, tolerance_);
    }
    OffGround off{object ? Ground::around : Ground::behind, pixels_};
    for (std::size_t i = 0; i < mask.size(); ++i) {
      if (!mask[i]) off.pixels.rgba[i * 4 + 3] = 0;
    }
    return off;
  }

 private:
  static std::ptrdiff_t count(const Bitmap& mask) { return std::ranges::count(mask, 1); }

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
    Bitmap mask(std::size_t(width_) * height_, 1);
    std::vector<int> open;
    const auto visit = [&](int i) {
      if (mask[i] && is_ground(i, tolerance)) mask[i] = 0, open.push_back(i);
    };
    for (int x = 0; x < width_; ++x) visit(x), visit((height_ - 1) * width_ + x);
    for (int y = 0; y < height_; ++y) visit(y * width_), visit(y * width_ + width_ - 1);
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

  const Pixels& pixels_;
  const int width_, height_;
  int tolerance_ = kTight;
  std::array<int, 3> ground_{};
  std::vector<std::uint8_t> apart_;  // each pixel from the ground
};

}  // namespace

OffGround take_off_ground(const Pixels& pixels) { return Cutter(pixels).answer(); }

}  // namespace figma
