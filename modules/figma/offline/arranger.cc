#include "figma/offline/arranger.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>

namespace figma {
namespace {

constexpr double kGive = 0.6;        // of the gaps in a row that its parts may grow into
constexpr double kTolerance = 0.02;  // places are rounded to hundredths
constexpr auto kTypeScale =
    std::to_array<double>({11, 12, 13, 14, 15, 16, 18, 20, 24, 28, 32, 36, 40, 44, 48, 56, 64, 72, 80, 96, 112, 128});

struct Cell {
  enum class Kind { layer, stack_x, stack_y, knot };
  Kind kind = Kind::layer;
  int layer = -1;
  std::vector<Cell> inside{};  // a layer's content is one cell
  std::vector<int> tied{};     // a knot's layers
  Box was{};
  std::array<double, 2> natural{};  // the size it wants
};

class Arranger {
 public:
  Arranger(const Frame& frame, Style style) : frame_(frame), style_(style) {
    const auto count = frame.layers.size();
    held_.resize(count), placed_.resize(count), tied_.resize(count);
    std::vector<int> outermost;
    for (int i = 0; i < static_cast<int>(count); ++i) {
      const Layer& layer = at(i);
      boxes_.push_back(layer.box);
      fonts_.push_back(layer.data->font_size.value_or(0));
      if (layer.holder >= 0) {
        held_[std::size_t(layer.holder)].push_back(i);
      } else if (frame.box.holds(layer.box)) {
        outermost.push_back(i);
      }
    }
    root_.was = frame.box;
    if (!outermost.empty()) root_.inside.push_back(cut(outermost));
  }

  // False where it does not fit into the frame.
  bool arrange() {
    do {
      measure(root_, Axis::x);
      place(root_, Axis::x, frame_.box.lo[0], frame_.box.size(Axis::x));
    } while (!fonts_fit());
    measure(root_, Axis::y);
    if (root_.natural[1] > frame_.box.size(Axis::y) + kTolerance) return false;
    place(root_, Axis::y, frame_.box.lo[1], frame_.box.size(Axis::y));
    return true;
  }

  std::vector<Box>& boxes() { return boxes_; }
  std::vector<double>& fonts() { return fonts_; }

 private:
  const Layer& at(int i) const { return frame_.layers[static_cast<std::size_t>(i)]; }
  bool dense() const { return style_.density == Density::dense; }

  // ---- Cutting ----

  std::vector<std::vector<int>> runs(std::vector<int> members, Axis axis) const {
    const auto a = std::size_t(axis);
    std::ranges::sort(members, {}, [&](int i) { return std::tuple(at(i).box.lo[a], at(i).box.hi[a], i); });
    std::vector<std::vector<int>> runs;
    double end = 0;
    for (const int i : members) {
      const Box& box = at(i).box;
      if (runs.empty() || box.lo[a] >= end - kTolerance) runs.emplace_back();
      runs.back().push_back(i);
      end = runs.back().size() == 1 ? box.hi[a] : std::max(end, box.hi[a]);
    }
    return runs;
  }

  Cell cut(const std::vector<int>& members) const {
    Cell cell;
    cell.was = at(members[0]).box;
    for (const int i : members) {
      for (const int a : {0, 1}) {
        cell.was.lo[a] = std::min(cell.was.lo[a], at(i).box.lo[a]);
        cell.was.hi[a] = std::max(cell.was.hi[a], at(i).box.hi[a]);
      }
    }
    if (members.size() == 1) {
      cell.layer = members[0];
      if (const auto& content = held_[std::size_t(cell.layer)]; !content.empty()) cell.inside.push_back(cut(content));
      return cell;
    }
    for (const Axis axis : {Axis::y, Axis::x}) {
      const auto parts = runs(members, axis);
      if (parts.size() == 1) continue;
      cell.kind = axis == Axis::x ? Cell::Kind::stack_x : Cell::Kind::stack_y;
      for (const auto& part : parts) cell.inside.push_back(cut(part));
      return cell;
    }
    cell.kind = Cell::Kind::knot;
    for (const int i : members) gather(i, cell.tied);
    return cell;
  }

  void gather(int i, std::vector<int>& to) const {
    to.push_back(i);
    for (const int held : held_[std::size_t(i)]) gather(held, to);
  }

  // ---- What a cell is ----

  bool is_leaf(const Cell& cell) const { return cell.kind == Cell::Kind::layer && cell.inside.empty(); }
  bool is_text(const Cell& cell) const { return is_leaf(cell) && cell.layer >= 0 && at(cell.layer).text; }

  // Scaled as a whole or not at all.
  bool keeps_ratio(const Cell& cell) const {
    if (!is_leaf(cell) || cell.layer < 0) return false;
    const std::string_view type = at(cell.layer).data->type;
    const double w = cell.was.size(Axis::x), h = cell.was.size(Axis::y);
    if (type == "RECTANGLE" || type == "FRAME") return std::max(w, h) <= 96 && std::abs(w - h) <= 1;
    if (type == "ELLIPSE") return std::abs(w - h) <= 1;
    return type != "TEXT" && type != "LINE";
  }

  // One line of text as wide as its letters.
  bool hugs(const Cell& cell) const {
    if (!is_text(cell)) return false;
    const LayerMetadata& data = *at(cell.layer).data;
    const double size = data.font_size.value_or(0);
    if (size <= 0 || cell.was.size(Axis::y) >= 1.9 * size) return false;
    return !data.text || guessed_width(*data.text, size) >= 0.7 * cell.was.size(Axis::x);
  }

  // A button, a chip: a small box around its label, and maybe an icon.
  bool is_button(const Cell& cell) const {
    if (cell.kind != Cell::Kind::layer || cell.layer < 0 || cell.inside.empty()) return false;
    const Cell& content = cell.inside[0];
    const double left = content.was.lo[0] - cell.was.lo[0], right = cell.was.hi[0] - content.was.hi[0];
    const auto small = [this](const Cell& part) { return hugs(part) || keeps_ratio(part); };
    return cell.was.size(Axis::y) <= 80 && cell.was.size(Axis::x) <= 0.5 * frame_.box.size(Axis::x) &&
           std::abs(left - right) <= 4 &&
           (small(content) || (content.kind == Cell::Kind::stack_x && std::ranges::all_of(content.inside, small)));
  }

  double type_ratio(int layer) const {
    const double size = at(layer).data->font_size.value_or(0);
    return style_.type && size > 0 && !kept_sizes_.contains(size) ? stepped(size, style_.density) / size : 1;
  }

  // ---- Measuring: what it wants ----

  double gap(double was, bool of_button = false) const {
    if (was <= 0) return was;
    if (dense()) return was * std::lerp(1, of_button ? 0.7 : 0.6, style_.strength);
    return was + style_.strength * (of_button ? std::min(was * 0.25, 8.0) : std::min(was * 0.5, 32.0));
  }

  // Columns of one width share what their gaps gain or lose.
  static bool equal_columns(const Cell& cell) {
    if (cell.inside.size() < 2) return false;
    return std::ranges::all_of(cell.inside, [&](const Cell& part) {
      const double first = cell.inside[0].was.size(Axis::x);
      return part.kind == Cell::Kind::layer && first >= 80 && std::abs(part.was.size(Axis::x) - first) <= 1;
    });
  }

  double leaf_size(const Cell& cell, Axis axis) const {
    const double was = cell.was.size(axis), other = cell.was.size(axis == Axis::x ? Axis::y : Axis::x);
    const bool shrinks = dense() && style_.sizes;
    if (keeps_ratio(cell)) return shrinks && std::max(was, other) > 24 ? was * 0.875 : was;
    if (is_text(cell)) return axis == Axis::x ? text_width(cell) : text_height(cell);
    if (axis == Axis::x || was <= 12) return was;
    if (was >= 80) return was * style_.squeeze;
    return shrinks ? was * 0.9 : was;
  }

  double text_width(const Cell& cell) const {
    return cell.was.size(Axis::x) * (hugs(cell) ? type_ratio(cell.layer) : 1);
  }

  double text_height(const Cell& cell) const {
    const LayerMetadata& data = *at(cell.layer).data;
    const double was = cell.was.size(Axis::y), size = data.font_size.value_or(0);
    const double width = boxes_[std::size_t(cell.layer)].size(Axis::x);
    if (size <= 0 || was <= 0 || width <= 0) return was;
    const double ratio = fonts_[std::size_t(cell.layer)] / size;
    const double lines = std::max(1.0, std::round(was / (1.4 * size)));
    double filled = lines;  // how far into its last line the text goes, as far as one can guess
    if (data.text && lines > 1) {
      const double guess = guessed_width(*data.text, size) / cell.was.size(Axis::x);
      filled = std::clamp(guess, lines - 0.8, lines);
    }
    const double lines_now = lines > 1 ? std::ceil(filled * ratio * cell.was.size(Axis::x) / width - 1e-6) : 1;
    return was / lines * lines_now * ratio;
  }

  void measure(Cell& cell, Axis axis) {
    const auto a = std::size_t(axis);
    for (Cell& part : cell.inside) measure(part, axis);
    const double was = cell.was.size(axis);
    double& wants = cell.natural[a];
    if (cell.kind == Cell::Kind::knot) {
      wants = was * (dense() && style_.sizes ? 0.92 : 1);
    } else if (is_leaf(cell)) {
      wants = cell.layer < 0 ? was : leaf_size(cell, axis);
    } else if (cell.kind == Cell::Kind::layer) {
      wants = axis == Axis::x && !is_button(cell) ? was : sum(segments(cell, axis));
    } else if (along(cell, axis)) {
      const auto sizes = segments(cell, axis);
      wants = sum(sizes);
      // Gaps give way before a row grows (shrink).
      if (axis == Axis::x && wants > was) wants = std::max(was, wants - kGive * sum_of_gaps(sizes));
      if (axis == Axis::x && equal_columns(cell)) wants = was;
    } else {
      double most = 0, ratio = 0;
      bool spanned = false;
      for (const Cell& part : cell.inside) {
        most = std::max(most, part.natural[a]);
        ratio = std::max(ratio, part.natural[a] / std::max(part.was.size(axis), 1e-9));
        spanned |= part.was.size(axis) >= was - 1;
      }
      wants = spanned ? most : std::max(most, was * std::min(ratio, 1.3));
    }
  }

  // ---- Placing: what it gets ----

  static bool along(const Cell& cell, Axis axis) {
    return cell.kind == Cell::Kind::layer || cell.kind == (axis == Axis::x ? Cell::Kind::stack_x : Cell::Kind::stack_y);
  }

  // Gap, part, gap, part, ..., gap; the outer gaps are a layer's padding, and none in a stack.
  std::vector<double> segments(const Cell& cell, Axis axis) const {
    const auto a = std::size_t(axis);
    const bool button = is_button(cell), scaled = axis == Axis::y || button || equal_columns(cell);
    std::vector<double> sizes;
    double end = cell.was.lo[a];
    const bool picture = cell.layer >= 0 && at(cell.layer).photo;  // what lies on it says little of its height
    const auto add_gap = [&](double was) {
      sizes.push_back(!scaled ? was : picture ? was * style_.squeeze : gap(was, button));
    };
    for (const Cell& part : cell.inside) {
      add_gap(part.was.lo[a] - end);
      sizes.push_back(part.natural[a]);
      end = part.was.hi[a];
    }
    add_gap(cell.was.hi[a] - end);
    // The foot of the frame, and the gap above a bar that stands there, are where room for airiness comes from.
    const bool to_the_foot =
        cell.was.hi[1] >= frame_.box.hi[1] - 1 && cell.was.size(axis) >= 0.7 * frame_.box.size(axis);
    if (axis == Axis::y && !dense() && to_the_foot) {
      const std::size_t loose = cell.kind == Cell::Kind::layer ? sizes.size() - 1 : sizes.size() - 3;
      sizes[loose] = std::min(sizes[loose], 32.0);
    }
    return sizes;
  }

  static double sum(const std::vector<double>& sizes) { return std::accumulate(sizes.begin(), sizes.end(), 0.0); }
  static double sum_of_gaps(const std::vector<double>& sizes) {
    double gaps = 0;
    for (std::size_t i = 0; i < sizes.size(); i += 2) gaps += std::max(0.0, sizes[i]);
    return gaps;
  }

  // A cell that takes whatever room it is given along this axis.
  bool stretches(const Cell& cell, Axis axis) const {
    if (cell.kind == Cell::Kind::knot || keeps_ratio(cell)) return false;
    if (is_text(cell)) return axis == Axis::x && !hugs(cell);
    if (is_leaf(cell)) return cell.was.size(axis) > 12;
    return axis == Axis::y || !is_button(cell);
  }

  void set(int layer, Axis axis, double lo, double size) {
    placed_[std::size_t(layer)] = true;
    boxes_[std::size_t(layer)].lo[std::size_t(axis)] = lo;
    boxes_[std::size_t(layer)].hi[std::size_t(axis)] = lo + size;
  }

  void place(Cell& cell, Axis axis, double lo, double size) {
    const auto a = std::size_t(axis);
    if (cell.kind == Cell::Kind::knot) {
      const double was = cell.was.size(axis), scale = was > 0 ? std::min(cell.natural[a], size) / was : 1;
      for (const int i : cell.tied) {
        set(i, axis, lo + (at(i).box.lo[a] - cell.was.lo[a]) * scale, at(i).box.size(axis) * scale);
        tied_[std::size_t(i)] = true;
      }
      return;
    }
    if (cell.layer >= 0) set(cell.layer, axis, lo, size);
    if (cell.inside.empty()) return;
    if (along(cell, axis)) {
      place_along(cell, axis, lo, size);
      return;
    }
    const double room_was = cell.was.size(axis);
    for (Cell& part : cell.inside) {
      const double was = part.was.size(axis), spare = room_was - was;
      double takes = part.natural[a];
      if (stretches(part, axis)) {
        if (was >= room_was - 1) {
          takes = size;
        } else if (axis == Axis::x) {
          takes = std::max(takes, was + (was >= 0.5 * room_was ? size - room_was : 0));
        }
      }
      takes = std::clamp(takes, 0.0, size);
      place(part, axis, lo + anchored(part.was.lo[a] - cell.was.lo[a], spare, size - takes), takes);
    }
  }

  // Where in its room something starts that had `before` in front of it and `spare` around it, and has `room` now: what
  // was in the middle stays there, else the nearer edge is kept to.
  static double anchored(double before, double spare, double room) {
    const double after = spare - before;
    if (std::abs(before - after) <= std::max(4.0, 0.02 * spare)) return room / 2;
    return std::clamp(after < before / 2 ? room - after : before, 0.0, std::max(0.0, room));
  }

  void place_along(Cell& cell, Axis axis, double lo, double size) {
    auto sizes = segments(cell, axis);
    if (axis == Axis::x && cell.kind == Cell::Kind::layer && !is_button(cell)) {
      place_content(cell, lo, size, sizes);
      return;
    }
    if (axis == Axis::x && equal_columns(cell)) {
      const double each = (size - sum_of_gaps(sizes)) / static_cast<double>(cell.inside.size());
      for (std::size_t i = 1; i < sizes.size(); i += 2) sizes[i] = each;
    }
    const double left_over = size - sum(sizes);
    if (left_over > 0) {
      spread(cell, axis, sizes, left_over);
    } else if (left_over < 0) {
      shrink(sizes, -left_over);
    }
    for (std::size_t i = 0; i < cell.inside.size(); ++i) {
      lo += sizes[2 * i];
      Cell& part = cell.inside[i];
      const double room = sizes[2 * i + 1];
      const double takes = stretches(part, axis) ? room : std::min(room, part.natural[std::size_t(axis)]);
      place(part, axis, lo + (axis == Axis::x ? (room - takes) / 2 : 0), takes);
      lo += room;
    }
  }

  // A layer's content along x: paddings stay, and what has no width of its own takes what is gained or lost.
  void place_content(Cell& cell, double lo, double size, const std::vector<double>& wants) {
    Cell& content = cell.inside[0];
    const double was = content.was.size(Axis::x), spare = cell.was.size(Axis::x) - was;
    double takes = wants[1];
    if (stretches(content, Axis::x)) takes = std::max(takes, was + size - cell.was.size(Axis::x));
    takes = std::clamp(takes, 0.0, size);
    place(content, Axis::x, lo + anchored(content.was.lo[0] - cell.was.lo[0], spare, size - takes), takes);
  }

  // Room that nobody asked for: on x it goes to all gaps alike, on y to where the layout was loose before.
  static void spread(const Cell& cell, Axis axis, std::vector<double>& sizes, double room) {
    if (axis == Axis::x) {
      const double gaps = sum_of_gaps(sizes);
      const double scale = gaps > 0 ? (gaps + room) / gaps : 1;
      for (std::size_t i = 0; i < sizes.size(); i += 2) sizes[i] *= scale;
      if (gaps <= 0) sizes[sizes.size() - 2] += room;
      return;
    }
    const double first = cell.inside.front().was.lo[1] - cell.was.lo[1];
    const double last = cell.was.hi[1] - cell.inside.back().was.hi[1];
    const double content = cell.inside.back().was.hi[1] - cell.inside.front().was.lo[1];
    const std::size_t end = sizes.size() - 1;
    if (first > 2 && std::abs(first - last) <= 2 && content <= 0.7 * cell.was.size(Axis::y)) {
      sizes[0] += room / 2, sizes[end] += room / 2;  // it was in the middle
    } else if (last > 2) {
      sizes[end] += room;
    } else if (end >= 4 && sizes[end - 2] > 2) {
      sizes[end - 2] += room;  // its last part stays at the bottom
    } else {
      sizes[end - 1] += room;
    }
  }

  // Gaps give way first; then all shrinks alike.
  static void shrink(std::vector<double>& sizes, double by) {
    const double gaps = sum_of_gaps(sizes), given = std::min(by, kGive * gaps);
    if (gaps > 0) {
      for (std::size_t i = 0; i < sizes.size(); i += 2) sizes[i] *= 1 - given / gaps;
    }
    const double total = sum(sizes), rest = by - given;
    if (rest > 0 && total > 0) {
      for (double& size : sizes) size *= std::max(0.0, 1 - rest / total);
    }
  }

  // After the widths are known. A size for which one line has too little room stays as it is, for all of its lines: the
  // type's ranks are kept.
  bool fonts_fit() {
    const auto kept = kept_sizes_.size();
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
      const Layer& layer = frame_.layers[i];
      const double was = layer.data->font_size.value_or(0), ratio = type_ratio(static_cast<int>(i));
      if (!layer.text || was <= 0 || !placed_[i] || (tied_[i] && !dense())) continue;
      const bool tight = boxes_[i].size(Axis::x) < layer.box.size(Axis::x) * ratio - 0.1;
      if (tight && ratio > 1 && hugs({.layer = static_cast<int>(i), .was = layer.box})) kept_sizes_.insert(was);
      fonts_[i] = was * ratio;
    }
    return kept_sizes_.size() == kept;
  }

  const Frame& frame_;
  Style style_;
  std::vector<std::vector<int>> held_;
  std::set<double> kept_sizes_;
  std::vector<bool> placed_, tied_;  // tied: within a knot
  Cell root_;
  std::vector<Box> boxes_;
  std::vector<double> fonts_;
};

}  // namespace

double stepped(double size, Density density) {
  if (size < 9 || size > kTypeScale.back()) return size;
  if (density == Density::airy) {
    const auto* up = std::ranges::upper_bound(kTypeScale, size);
    return up == kTypeScale.end() ? size : *up;
  }
  const auto* here = std::ranges::lower_bound(kTypeScale, size);
  return here == kTypeScale.begin() ? size : *(here - 1);
}

std::optional<Arrangement> arrange(const Frame& frame, const Style& style) {
  Arranger arranger(frame, style);
  if (!arranger.arrange()) return std::nullopt;
  return Arrangement{std::move(arranger.boxes()), std::move(arranger.fonts())};
}

}  // namespace figma
