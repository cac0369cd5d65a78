#include "figma/offline/layout.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>

namespace figma {
namespace {

double rounded(double value, double grid) { return std::round(value / grid) * grid; }

// Whole pixels in a frame of whole pixels, else hundredths. Edges are rounded, not sizes: what touched still touches.
void round_places(const Frame& frame, Layout& layout) {
  const bool whole = std::ranges::all_of(frame.layers, [](const Layer& layer) {
    const auto is_whole = [](double v) { return v == std::round(v); };
    return std::ranges::all_of(layer.box.lo, is_whole) && std::ranges::all_of(layer.box.hi, is_whole);
  });
  for (std::size_t i = 0; i < layout.boxes.size(); ++i) {
    Box& box = layout.boxes[i];
    const Box& was = frame.layers[i].box;
    if (box == was) continue;
    const double grid = whole ? 1 : 0.01;
    for (const int a : {0, 1}) box.lo[a] = rounded(box.lo[a], grid), box.hi[a] = rounded(box.hi[a], grid);
    // Thin lines keep their thickness; what is not a pixel wide can't be resized.
    const bool fixed = std::min({box.size(Axis::x), box.size(Axis::y), was.size(Axis::x), was.size(Axis::y)}) < 1;
    for (const int a : {0, 1}) {
      const double size = was.hi[a] - was.lo[a];
      if (fixed || size <= 2) box.hi[a] = box.lo[a] + size;
    }
    const double w = box.size(Axis::x), h = box.size(Axis::y);
    if (was.size(Axis::x) == was.size(Axis::y) && std::abs(w - h) <= 1) {
      box.hi = {box.lo[0] + std::min(w, h), box.lo[1] + std::min(w, h)};
    }
  }
}

bool holds_up(const Frame& frame, const std::vector<Box>& boxes) {
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const Layer& layer = frame.layers[i];
    if (boxes[i] == layer.box) continue;
    if (frame.box.holds(layer.box) && !frame.box.holds(boxes[i])) return false;
  }
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    for (std::size_t j = 0; j < boxes.size(); ++j) {
      if (boxes[i] == frame.layers[i].box && boxes[j] == frame.layers[j].box) continue;
      const Layer& one = frame.layers[i];
      const Layer& other = frame.layers[j];
      if (j < i && !one.box.overlaps(other.box) && boxes[i].overlaps(boxes[j])) return false;
      const bool inside = other.parent == static_cast<int>(i) || other.holder == static_cast<int>(i);
      if (inside && one.box.holds(other.box) && !boxes[i].holds(boxes[j])) return false;
    }
  }
  return true;
}

double hundredths(double value) { return std::round(value * 100) / 100; }

bool differ(double one, double other) { return std::abs(one - other) > 0.004; }

// A layer whose parent moved is moved too, were it to its own place: so it ends there whether or not it was carried.
std::vector<Instruction> instructions_for(const Frame& frame, const Layout& layout, std::span<const int> order) {
  std::vector<bool> moved(frame.layers.size());
  std::vector<Instruction> out;
  for (const int i : order) {
    const auto at = static_cast<std::size_t>(i);
    const Layer& layer = frame.layers[at];
    const Box& box = layout.boxes[at];
    moved[at] = differ(box.lo[0], layer.box.lo[0]) || differ(box.lo[1], layer.box.lo[1]) ||
                (layer.parent >= 0 && moved[std::size_t(layer.parent)]);
    if (moved[at]) {
      out.push_back(
          {.action = "move", .layer_id = layer.data->id, .x = hundredths(box.lo[0]), .y = hundredths(box.lo[1])});
    }
    const double w = box.size(Axis::x), h = box.size(Axis::y);
    if (differ(w, layer.box.size(Axis::x)) || differ(h, layer.box.size(Axis::y))) {
      out.push_back({.action = "resize",
                     .layer_id = layer.data->id,
                     .width = std::max(1.0, hundredths(w)),
                     .height = std::max(1.0, hundredths(h))});
    }
    if (differ(layout.fonts[at], layer.data->font_size.value_or(0))) {
      out.push_back({.action = "setFontSize", .layer_id = layer.data->id, .font_size = hundredths(layout.fonts[at])});
    }
  }
  return out;
}

// Shapes that hold nothing shrink around their middles, in a dense frame text takes a step down: any choice of these
// may be made alone.
Layout shrink_in_place(const Frame& frame, Density density, std::size_t instructions_max) {
  Layout layout{.in_place = true};
  std::vector<bool> holds(frame.layers.size());
  for (const Layer& layer : frame.layers) {
    layout.boxes.push_back(layer.box);
    layout.fonts.push_back(layer.data->font_size.value_or(0));
    if (layer.holder >= 0) holds[std::size_t(layer.holder)] = true;
    if (layer.parent >= 0) holds[std::size_t(layer.parent)] = true;
  }
  for (const int i : frame.by_area) {
    const auto at = static_cast<std::size_t>(i);
    const Layer& layer = frame.layers[at];
    Box& box = layout.boxes[at];
    const double w = box.size(Axis::x), h = box.size(Axis::y);
    const bool covers = w >= 0.95 * frame.box.size(Axis::x) || h >= 0.95 * frame.box.size(Axis::y);
    if (layer.text) {
      if (density == Density::dense) layout.fonts[at] = stepped(layout.fonts[at], density);
    } else if (!holds[at] && !covers && w >= 8 && h >= 8 && frame.box.holds(box)) {
      const double by = density == Density::dense ? 0.05 : 0.04;
      for (const int a : {0, 1}) {
        const double edge = std::max(0.5, by * box.size(Axis(a)));
        box.lo[a] = hundredths(box.lo[a] + edge), box.hi[a] = hundredths(box.hi[a] - edge);
      }
    }
    const std::array order{i};
    auto more = instructions_for(frame, layout, order);
    if (layout.instructions.size() + more.size() > instructions_max) break;
    std::ranges::move(more, std::back_inserter(layout.instructions));
  }
  return layout;
}

constexpr auto kDenseStyles = std::to_array<Style>({{.squeeze = 0.85}, {.type = false, .sizes = false}});
// The first that the frame has room for.
constexpr auto kAiryStyles = std::to_array<Style>({{Density::airy, 1},
                                                   {Density::airy, 1, 0.85},
                                                   {Density::airy, 0.75, 0.8},
                                                   {Density::airy, 0.5, 0.75},
                                                   {Density::airy, 1, 0.8, false},
                                                   {Density::airy, 0.25, 0.75},
                                                   {Density::airy, 0.5, 0.75, false},
                                                   {Density::airy, 0.25, 0.75, false}});

}  // namespace

Layout lay_out(const Frame& frame, Density density, std::size_t instructions_max) {
  std::vector<int> order(frame.layers.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](int i) { return std::pair(frame.layers[std::size_t(i)].depth, i); });
  const auto styles =
      density == Density::dense ? std::span<const Style>(kDenseStyles) : std::span<const Style>(kAiryStyles);
  for (const Style& style : styles) {
    auto arranged = arrange(frame, style);
    if (!arranged) continue;
    Layout layout{.boxes = std::move(arranged->boxes), .fonts = std::move(arranged->fonts)};
    round_places(frame, layout);
    layout.instructions = instructions_for(frame, layout, order);
    const auto count = layout.instructions.size();
    if (count > 0 && count <= instructions_max && holds_up(frame, layout.boxes)) return layout;
  }
  return shrink_in_place(frame, density, instructions_max);
}

}  // namespace figma
