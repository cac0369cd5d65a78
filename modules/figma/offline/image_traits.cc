#include "figma/offline/image_traits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numbers>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace figma {
namespace {

using plugfleet::Pixels;

constexpr int kFaintest = 8;           // a picture with no alpha above this is empty
constexpr float kInkDistance = 0.11F;  // in Oklab, from the ground
constexpr float kOneColour = 0.09F;    // in Oklab, shades of one
constexpr int kBins = 4096;            // 4 bits a channel
constexpr int kUnseen = kBins;

bool same_colour(const std::uint8_t* p, const std::uint8_t* q) { return std::memcmp(p, q, 4) == 0; }

// How much a colour catches the eye on this ground: an accent more than grey text, a rule hardly.
float conspicuous(const Oklab& colour, const Oklab& ground) {
  const float dl = colour.lightness - ground.lightness, da = colour.a - ground.a, db = colour.b - ground.b;
  return dl * dl + 4 * (da * da + db * db);
}

// One picture under study; traits_of asks its questions in order, later ones use what earlier ones found.
class Study {
 public:
  Study(const Pixels& pixels, const Oklab& ground)
      : pixels_(pixels),
        ground_(ground),
        width_(static_cast<int>(pixels.size.width)),
        height_(static_cast<int>(pixels.size.height)),
        bins_(std::size_t(width_) * height_, kUnseen) {}

  Traits answer() {
    find_box();
    if (visible_ == 0) return traits_;
    find_shape();
    traits_.cut_out = traits_.hollow || traits_.shape == Shape::irregular;
    find_colours();
    find_texture();
    find_ink();
    if (!traits_.cut_out) find_outline();
    find_drawing();
    return std::move(traits_);
  }

 private:
  const std::uint8_t* at(int x, int y) const { return &pixels_.rgba[(std::size_t(y) * width_ + x) * 4]; }
  int bin(int x, int y) const { return bins_[std::size_t(y) * width_ + x]; }
  bool visible(int x, int y) const { return bin(x, y) != kUnseen; }
  bool ink(int x, int y) const { return is_ink_[bin(x, y)]; }

  void find_box();
  void find_shape();
  void find_colours();
  void find_texture();
  void find_ink();
  void find_outline();
  void find_drawing();
  bool on_edge(int x, int y) const;

  const Pixels& pixels_;
  Oklab ground_;  // the colour that ink is ink on
  const int width_, height_;
  Box box_;
  int visible_from_ = 0;                    // alpha from which a pixel belongs to the shape: half of the highest
  int visible_ = 0;                         // how many do
  std::vector<std::uint16_t> bins_;         // each pixel's colour, coarsely; kUnseen where it is transparent
  std::array<bool, kUnseen + 1> is_ink_{};  // by bin
  Traits traits_;
};

void Study::find_box() {
  box_ = {width_, height_, 0, 0};
  int most = 0;
  for (std::size_t i = 3; i < pixels_.rgba.size() && most < 255; i += 4) most = std::max<int>(most, pixels_.rgba[i]);
  visible_from_ = std::max(kFaintest, most / 2);
  long alpha = 0, seen = 0;
  for (int y = 0; y < height_; ++y) {
    for (int x = 0, end = 0; x < width_; x = end) {
      const auto* p = at(x, y);
      for (end = x + 1; end < width_ && same_colour(p, at(end, y));) ++end;
      if (p[3] < kFaintest) continue;
      alpha += long{p[3]} * (end - x), seen += end - x;
      if (p[3] < visible_from_) continue;
      visible_ += end - x;
      std::fill_n(&bins_[std::size_t(y) * width_ + x], end - x,
                  static_cast<std::uint16_t>(p[0] >> 4 << 8 | p[1] >> 4 << 4 | p[2] >> 4));
      box_ = {std::min(box_.left, x), std::min(box_.top, y), std::max(box_.right, end), y + 1};
    }
  }
  if (visible_ == 0) return;
  traits_.width = static_cast<float>(box_.width()) * pixels_.source.width / pixels_.size.width;
  traits_.height = static_cast<float>(box_.height()) * pixels_.source.height / pixels_.size.height;
  // Soft edges and shadows are translucent too: only where the average is low is it the inside that is.
  traits_.translucent = alpha < 200 * seen && visible_ > seen * 3 / 4;
}

// Compares the filled outline with ideal ones; the nearest wins unless even that one fits badly.
void Study::find_shape() {
  const int w = box_.width(), h = box_.height();
  // Filled: between the outermost visible pixels of its row and of its column.
  std::vector<int> left(h, w), right(h, -1), top(w, h), bottom(w, -1);
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      if (!visible(box_.left + x, box_.top + y)) continue;
      left[y] = std::min(left[y], x), right[y] = x;
      top[x] = std::min(top[x], y), bottom[x] = y;
    }
  }
  std::vector<std::uint16_t> before(std::size_t(h) * (w + 1));  // of each row, how many are filled left of a column
  int area = 0;
  for (int y = 0; y < h; ++y) {
    auto* row = &before[std::size_t(y) * (w + 1)];
    for (int x = 0; x < w; ++x) {
      const bool is_filled = left[y] <= x && x <= right[y] && top[x] <= y && y <= bottom[x];
      row[x + 1] = static_cast<std::uint16_t>(row[x] + is_filled);
    }
    area += row[w];
  }
  // How many pixels of row y are not what a span of `half` to each side of the middle would have.
  const auto miss = [&](int y, float half) {
    const int first = static_cast<int>(std::ceil(w / 2.0F - half - 0.5F)), last = w - 1 - first;
    const auto* row = &before[std::size_t(y) * (w + 1)];
    const int from = std::max(first, 0), to = std::max(from, std::min(last + 1, w));
    return row[w] + std::max(0, last - first + 1) - 2 * (row[to] - row[from]);
  };
  traits_.hollow = visible_ < area * 0.6;

  const float half_w = w / 2.0F, half_h = h / 2.0F, roundest = std::min(half_w, half_h);
  // What corners of radius r leave out of a box is r * r * (4 - pi).
  const float radius =
      std::min(roundest, std::sqrt(static_cast<float>(w * h - area) / (4 - std::numbers::pi_v<float>)));
  int rounded_miss = 0, oval_miss = 0;
  for (int y = 0; y < h; ++y) {
    const float dy = std::abs(y + 0.5F - half_h), corner = std::max(0.0F, dy - (half_h - radius)), up = dy / half_h;
    rounded_miss += miss(y, half_w - radius + std::sqrt(std::max(0.0F, radius * radius - corner * corner)));
    oval_miss += miss(y, half_w * std::sqrt(1 - up * up));
  }
  // An edge's pixel more or less is not another shape.
  const float tolerance = 0.03F * static_cast<float>(area) + 0.25F * static_cast<float>(w + h);
  const bool square = std::abs(w - h) <= 0.06F * static_cast<float>(std::max(w, h));
  if (static_cast<float>(std::min(rounded_miss, oval_miss)) > tolerance) {
    traits_.shape = Shape::irregular;
  } else if (oval_miss < rounded_miss || (square && radius > 0.85F * roundest && roundest >= 2)) {
    traits_.shape = square ? Shape::circle : Shape::oval;
  } else if (radius < 1.5F || roundest < 2) {
    traits_.shape = Shape::rectangle;
  } else {
    traits_.shape = radius > 0.85F * roundest ? Shape::pill : Shape::rounded;
  }
}

void Study::find_colours() {
  struct Bin {
    std::uint32_t red = 0, green = 0, blue = 0, count = 0;
  };
  std::vector<Bin> bins(kBins);
  for (int y = box_.top; y < box_.bottom; ++y) {
    for (int x = box_.left, end = x; x < box_.right; x = end) {
      const auto* p = at(x, y);
      for (end = x + 1; end < box_.right && same_colour(p, at(end, y));) ++end;
      if (!visible(x, y)) continue;
      const auto run = static_cast<std::uint32_t>(end - x);
      auto& b = bins[bin(x, y)];
      b.red += p[0] * run, b.green += p[1] * run, b.blue += p[2] * run, b.count += run;
    }
  }
  struct Family {  // the bins that share a name
    float count = 0;
    Oklab sum;
  };
  struct Used {
    int bin;
    std::size_t name;
    float count;
    Oklab colour;
    bool is_ground;
  };
  const auto add = [](Oklab& sum, const Oklab& colour, float times) {
    sum.lightness += colour.lightness * times, sum.a += colour.a * times, sum.b += colour.b * times;
  };
  const auto divided = [](Oklab sum, float by) { return Oklab{sum.lightness / by, sum.a / by, sum.b / by}; };
  std::array<Family, kColourNames> families{};
  std::vector<Used> used;
  Family all;
  for (int i = 0; i < kBins; ++i) {
    const auto& b = bins[i];
    if (b.count == 0) continue;
    const auto mean = [&b](std::uint32_t sum) { return static_cast<std::uint8_t>(sum / b.count); };
    const auto colour = to_oklab(mean(b.red), mean(b.green), mean(b.blue));
    const auto count = static_cast<float>(b.count);
    used.push_back({i, nearest_colour(colour), count, colour, false});
    auto& family = families[used.back().name];
    for (auto* each : {&family, &all}) each->count += count, add(each->sum, colour, count);
  }
  traits_.mean = divided(all.sum, all.count);
  const auto most = std::ranges::max_element(families, {}, &Family::count);
  Oklab main = divided(most->sum, most->count);
  traits_.colour = static_cast<std::size_t>(most - families.begin());
  if (!traits_.cut_out) ground_ = main;
  std::vector<Used> inks;
  for (auto& each : used) {
    each.is_ground = distance(ground_, each.colour) <= kInkDistance;
    is_ink_[each.bin] = traits_.cut_out || !each.is_ground;
    if (is_ink_[each.bin]) inks.push_back(each);
  }
  // The ink's colour: shades of one count together, whatever their names.
  std::ranges::sort(inks, std::ranges::greater{}, &Used::count);
  float best = -1;
  while (!inks.empty()) {
    const auto centre = inks.front().colour;
    float striking = 0;
    Family shades;
    std::erase_if(inks, [&](const Used& one) {
      if (distance(one.colour, centre) > kOneColour) return false;
      striking += one.count * conspicuous(one.colour, ground_);
      shades.count += one.count, add(shades.sum, one.colour, one.count);
      return true;
    });
    if (striking <= best) continue;
    best = striking;
    const auto mean = divided(shades.sum, shades.count);
    traits_.ink_colour = nearest_colour(mean);
    if (traits_.cut_out) main = mean;
  }
  if (traits_.cut_out) traits_.colour = *traits_.ink_colour;

  float second = all.count / 6;
  for (std::size_t i = 0; i < families.size(); ++i) {
    if (families[i].count < all.count / 25) continue;
    ++traits_.colours;
    const float apart = distance(main, divided(families[i].sum, families[i].count));
    if (i != traits_.colour && apart > 0.1F && families[i].count >= second) {
      second = families[i].count, traits_.second_colour = i;
    }
  }
  std::erase_if(used, [&](const Used& one) { return !one.is_ground || one.count < all.count / 50; });
  for (const auto& one : used) {  // shades of the ground far apart; find_texture says whether they also flow
    for (const auto& other : used) traits_.gradient |= distance(one.colour, other.colour) > 0.15F;
  }
}

// Neighbours of a drawing are equal, or far apart at an edge; those of a gradient differ by a step or two; those of a
// photograph by more than that nearly everywhere.
void Study::find_texture() {
  int pairs = 0, gentle = 0, rough = 0, edges = 0;
  const auto compare = [&](const std::uint8_t* p, const std::uint8_t* q) {
    if (p[3] < visible_from_ || q[3] < visible_from_) return;
    ++pairs;
    if (same_colour(p, q)) return;
    const int apart = std::max({std::abs(p[0] - q[0]), std::abs(p[1] - q[1]), std::abs(p[2] - q[2])});
    gentle += apart > 0 && apart <= 3;
    rough += apart > 3 && apart < 64;
    edges += apart >= 20;
  };
  for (int y = box_.top; y + 1 < box_.bottom; y += 2) {
    for (int x = box_.left; x + 1 < box_.right; ++x) {
      compare(at(x, y), at(x + 1, y));
      compare(at(x, y), at(x, y + 1));
    }
  }
  int alike = 0, facing = 0;
  for (int y = box_.top; y < box_.bottom; y += 2) {
    for (int x = box_.left, other = box_.right - 1; x < other; ++x, --other) {
      const auto *p = at(x, y), *q = at(other, y);
      ++facing;
      alike += same_colour(p, q) || std::abs(p[0] - q[0]) + std::abs(p[1] - q[1]) + std::abs(p[2] - q[2]) < 60;
    }
  }
  traits_.mirrored = alike * 10 > facing * 9;
  // A small drawing is all edges, and compression's noise around them.
  traits_.photographic = !traits_.cut_out && pairs > 1500 && rough > pairs * 0.3 + 300 && traits_.colours >= 3;
  traits_.gradient = traits_.gradient && !traits_.photographic && gentle > pairs / 8;
  traits_.plain = edges <= pairs / (traits_.gradient ? 60 : 500);  // compression draws edges into a gradient
}

void Study::find_ink() {
  Box around{width_, height_, 0, 0};
  int count = 0, switches = 0, rows = 0, band = 0, tallest = 0;
  std::vector<int> bands;
  for (int y = box_.top; y <= box_.bottom; ++y) {
    bool any = false, before = false;
    for (int x = box_.left; x < box_.right && y < box_.bottom; ++x) {
      const bool now = ink(x, y);
      switches += now != before;
      before = now;
      if (!now) continue;
      any = true, ++count;
      around.left = std::min(around.left, x), around.right = std::max(around.right, x + 1);
      around.top = std::min(around.top, y), around.bottom = y + 1;
    }
    rows += any;
    if (any) {
      ++band;
    } else if (band > 0) {
      bands.push_back(band), tallest = std::max(tallest, band), band = 0;
    }
  }
  if (count == 0) return;
  const auto w = static_cast<float>(box_.width()), h = static_cast<float>(box_.height());
  traits_.ink = {
      .share = static_cast<float>(count) / (traits_.cut_out ? w * h : static_cast<float>(visible_)),
      .left = static_cast<float>(around.left - box_.left) / w,
      .right = static_cast<float>(around.right - box_.left) / w,
      .top = static_cast<float>(around.top - box_.top) / h,
      .bottom = static_cast<float>(around.bottom - box_.top) / h,
      .switches = static_cast<float>(switches) / static_cast<float>(rows),
      // A line of few letters is low, a speck between two lines is lower.
      .lines = static_cast<std::size_t>(std::ranges::count_if(bands, [=](int b) { return b * 3 > tallest; })),
      .line_height = static_cast<float>(tallest) / h * traits_.height};
}

// In from each side, at its middle and beside it: does a band of another colour lie around one and the same inner
// colour?
void Study::find_outline() {
  const int w = box_.width(), h = box_.height(), depth = std::max(3, std::min(w, h) / 6);
  if (std::min(w, h) < 12) return;
  const auto colour = [this](int x, int y) {
    const auto* p = at(x, y);
    return to_oklab(p[0], p[1], p[2]);
  };
  std::optional<Oklab> inside;
  int outlined = 0, looks = 0;
  const auto look = [&](int x, int y, int dx, int dy) {
    int margin = 0;  // up to the first that is visible
    while (margin < depth && !visible(x + dx * margin, y + dy * margin)) ++margin;
    const auto inner = colour(x + dx * (margin + depth), y + dy * (margin + depth));
    if (!inside) inside = inner;
    float edge = 0;
    for (int i = margin; i < margin + 2; ++i) edge = std::max(edge, distance(colour(x + dx * i, y + dy * i), inner));
    ++looks, outlined += edge >= 0.05F && distance(*inside, inner) <= 0.02F;
  };
  for (const int beside : {-1, 0, 1}) {
    const int x = box_.left + w / 2 + beside * std::min(w, h) / 8, y = box_.top + h / 2 + beside * std::min(w, h) / 8;
    look(box_.left, y, 1, 0), look(box_.right - 1, y, -1, 0);
    look(x, box_.top, 0, 1), look(x, box_.bottom - 1, 0, -1);
  }
  traits_.outlined = outlined * 6 >= looks * 5;
}

// Within two pixels of what is clear: of the box's own coordinates. Soft edges are of a colour between.
bool Study::on_edge(int x, int y) const {
  for (int dy = -2; dy <= 2; dy += 2) {
    for (int dx = -2; dx <= 2; dx += 2) {
      const int to_x = x + dx, to_y = y + dy;
      if (to_x < 0 || to_y < 0 || to_x >= box_.width() || to_y >= box_.height()) return true;
      if (!visible(box_.left + to_x, box_.top + to_y)) return true;
    }
  }
  return false;
}

void Study::find_drawing() {
  auto& d = traits_.drawing;
  d.width = box_.width(), d.height = box_.height();
  d.scale = traits_.width / static_cast<float>(d.width);
  d.ink.resize(std::size_t(d.width) * d.height);
  for (int y = 0; y < d.height; ++y) {
    for (int x = 0; x < d.width; ++x) {
      d.ink[std::size_t(y) * d.width + x] = ink(box_.left + x, box_.top + y) && (traits_.cut_out || !on_edge(x, y));
    }
  }
  d.pieces = pieces_of(d.ink, d.width, d.height);
  if (traits_.cut_out) return;
  // Along the edges, soft ones or an outline, whole or in parts: nothing that stands on it.
  const int rim = 2 + std::min(d.width, d.height) / 24;
  std::erase_if(d.pieces, [&](const Piece& one) {
    const auto& box = one.box;
    const bool across = box.width() > 0.9F * d.width, down = box.height() > 0.9F * d.height;
    const bool in_rim = box.bottom <= rim || box.right <= rim || box.top >= d.height - rim || box.left >= d.width - rim;
    return in_rim || (across && down && one.fill() < 0.5F);
  });
}

}  // namespace

Traits traits_of(const Pixels& pixels, Oklab ground) { return Study(pixels, ground).answer(); }

}  // namespace figma
