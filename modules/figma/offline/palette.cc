#include "figma/offline/palette.h"

#include <algorithm>
#include <cmath>

namespace figma {
namespace {

constexpr double kGrey = 0.045;
constexpr double kNeighbour = 30;  // degrees between analogous hues
constexpr Rgb kWhite{255, 255, 255};

Rgb tinted(Rgb colour, double hue, double chroma, double lightest = 1) {
  const Oklch from = to_oklch(colour);
  return to_rgb({std::min(from.lightness, lightest), chroma, hue});
}

class Painter {
 public:
  Painter(const Frame& frame, Scheme scheme) : frame_(frame), scheme_(scheme) {
    for (const Layer& layer : frame.layers) result_.fills.push_back(layer.fill);
    number_equals();
  }

  Colouring paint(std::size_t changes_max) {
    budget_ = changes_max;
    due_.resize(frame_.layers.size());
    standing_.resize(frame_.layers.size());
    for (int i = 0; i < static_cast<int>(frame_.layers.size()); ++i) {
      for (const int ground : at(i).grounds) {
        if (at(i).role == Role::ink) standing_[std::size_t(ground)].push_back(i);
      }
    }
    for (const int i : frame_.by_area) {
      if (at(i).role != Role::none && at(i).role != Role::ink) change(i, ground_colour(i));
    }
    for (const bool text : {false, true}) {  // text may stand on a glyph
      for (const bool urgent : {true, false}) {
        for (const int i : frame_.by_area) {
          if (at(i).role != Role::ink || at(i).text != text || (due_[std::size_t(i)] || is_faint(i)) != urgent)
            continue;
          if (const auto wanted = ink_colour(i)) change(i, *wanted);
        }
      }
    }
    std::ranges::sort(result_.changed, {}, [this](int i) { return std::pair(-at(i).box.area(), i); });
    for (int i = 0; i < static_cast<int>(frame_.layers.size()); ++i) weigh(i);
    return std::move(result_);
  }

 private:
  const Layer& at(int i) const { return frame_.layers[static_cast<std::size_t>(i)]; }
  bool is_grey(Rgb colour) const { return to_oklch(colour).chroma < kGrey; }
  bool is_near(Rgb colour) const { return hue_apart(to_oklch(colour).hue, frame_.hue) <= 60; }
  static bool is_light(Rgb colour) { return to_oklch(colour).lightness >= 0.62; }

  // What stands on a changed layer is paid for with it.
  void change(int i, Rgb to) {
    if (to == at(i).fill) return;
    const auto follows = [this](int ink) { return !due_[std::size_t(ink)]; };
    const auto& standing = standing_[std::size_t(i)];
    const std::size_t cost = !due_[std::size_t(i)] + std::size_t(std::ranges::count_if(standing, follows));
    if (cost > budget_) return;
    budget_ -= cost;
    for (const int ink : standing) due_[std::size_t(ink)] = true;
    if (at(i).role == Role::accent && !result_.accent) result_.accent = {*at(i).fill, to};
    result_.fills[std::size_t(i)] = to;
    result_.changed.push_back(i);
  }

  Rgb behind(int i) const { return at(i).grounds.empty() ? kWhite : *result_.fills[std::size_t(at(i).grounds[0])]; }

  // Three or more surfaces of one size in one place are told apart by their hues: each gets a number.
  void number_equals() {
    numbers_.assign(frame_.layers.size(), -1);
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      const Layer& one = frame_.layers[i];
      if (one.role != Role::surface || numbers_[i] >= 0) continue;
      std::vector<std::size_t> equals;
      for (std::size_t j = i; j < numbers_.size(); ++j) {
        const Layer& other = frame_.layers[j];
        if (other.role == Role::surface && other.holder == one.holder && other.fill == one.fill &&
            std::abs(other.box.size(Axis::x) - one.box.size(Axis::x)) <= 1 &&
            std::abs(other.box.size(Axis::y) - one.box.size(Axis::y)) <= 1) {
          equals.push_back(j);
        }
      }
      if (equals.size() < 3) continue;
      for (std::size_t n = 0; n < equals.size(); ++n) numbers_[equals[n]] = static_cast<int>(n % 3);
    }
  }

  // ---- What others stand on: called with the larger before the smaller ----

  Rgb ground_colour(int i) const {
    switch (scheme_) {
      case Scheme::complementary:
        return complementary(i);
      case Scheme::analogous:
        return analogous(i);
      case Scheme::contrast:
        return contrasting(i);
    }
    return *at(i).fill;
  }

  Rgb accent_at(Rgb was, double hue) const {
    if (!is_grey(was)) return with_hue(was, hue);
    return with_hue(to_rgb({0.58, 0.19, frame_.hue}), hue);
  }

  Rgb complementary(int i) const {
    const Rgb was = *at(i).fill;
    const double across = frame_.hue + 180;
    if (at(i).role == Role::accent) return accent_at(was, is_grey(was) || is_near(was) ? across : frame_.hue);
    if (at(i).photo) return tinted(was, across, 0.04, 0.94);
    if (!is_grey(was)) return was;
    if (at(i).role == Role::ground) return tinted(was, frame_.hue, is_light(was) ? 0.014 : 0.03, 0.972);
    return was;
  }

  Rgb analogous(int i) const {
    const Rgb was = *at(i).fill;
    const double before = frame_.hue - kNeighbour, after = frame_.hue + kNeighbour;
    if (at(i).role == Role::accent) return accent_at(was, is_grey(was) || is_near(was) ? after : before);
    if (at(i).photo) return tinted(was, frame_.hue, 0.05, 0.92);
    if (!is_grey(was)) return to_rgb({to_oklch(was).lightness, to_oklch(was).chroma, before});
    if (numbers_[std::size_t(i)] >= 0)
      return tinted(was, before + kNeighbour * numbers_[std::size_t(i)], is_light(was) ? 0.035 : 0.05, 0.95);
    if (at(i).role == Role::ground) return tinted(was, before, is_light(was) ? 0.02 : 0.04, 0.97);
    return tinted(was, before, is_light(was) ? 0.008 : 0.03, 0.99);
  }

  Rgb contrasting(int i) const {
    const Rgb was = *at(i).fill;
    const Oklch from = to_oklch(was);
    const bool grey = is_grey(was), on_light = is_light(behind(i));
    if (at(i).role == Role::accent) {
      const std::array on{behind(i)};
      if (!at(i).holds_text && !grey) return readable(was, on, 3);  // 1.4.11
      const double hue = grey ? frame_.hue : from.hue, chroma = grey ? 0.19 : from.chroma;
      const Rgb accent =
          to_rgb({on_light ? std::min(from.lightness, 0.42) : std::max(from.lightness, 0.86), chroma, hue});
      return readable(accent, on, 4.5);
    }
    if (at(i).photo) return was;
    if (is_light(was)) {
      if (!grey) return to_rgb({0.965, from.chroma * 0.5, from.hue});
      const bool lost = at(i).role == Role::surface && !at(i).grounds.empty() && behind(i) == kWhite;
      return lost ? Rgb{0xF1, 0xF3, 0xF5} : kWhite;
    }
    if (!grey) return to_rgb({std::min(from.lightness, 0.32), from.chroma, from.hue});
    const bool lost = at(i).role == Role::surface && !at(i).grounds.empty() && !on_light;
    return to_rgb({lost ? 0.24 : std::min(from.lightness, 0.16), std::min(from.chroma, 0.02), from.hue});
  }

  // ---- What stands on it ----

  std::vector<Rgb> grounds_of(int i) const {
    std::vector<Rgb> colours;
    for (const int ground : at(i).grounds) colours.push_back(*result_.fills[std::size_t(ground)]);
    return colours;
  }

  bool is_faint(int i) const {
    const Layer& layer = at(i);
    return layer.text && layer.fill && !layer.grounds.empty() &&
           contrast(*layer.fill, *at(layer.grounds[0]).fill) < contrast_needed(*layer.data);
  }

  std::optional<Rgb> ink_colour(int i) const {
    const Layer& layer = at(i);
    const bool due = due_[std::size_t(i)];
    const auto grounds = grounds_of(i);
    if (!layer.fill && (grounds.empty() || !layer.text || (!due && scheme_ != Scheme::contrast))) return std::nullopt;
    const Rgb wanted = scheme_colour(i, layer.fill.value_or(is_light(behind(i)) ? Rgb{0x11, 0x18, 0x27} : kWhite));
    if (grounds.empty()) return wanted;
    if (!layer.text) {
      const bool was_clear = contrast(*layer.fill, *at(layer.grounds[0]).fill) >= 3;
      return was_clear || scheme_ == Scheme::contrast ? readable(wanted, grounds, 3) : wanted;
    }
    const double needed = contrast_needed(*layer.data);
    if (scheme_ != Scheme::contrast) {
      const Rgb ink = readable(wanted, grounds, needed);
      const auto lighter = [](Rgb one, Rgb other) { return to_oklch(one).lightness > to_oklch(other).lightness; };
      if (lighter(ink, grounds[0]) == lighter(wanted, grounds[0])) return ink;
      // Once it changes sides it goes all the way: no mid grey on an amber button.
      return readable(lighter(ink, grounds[0]) ? kWhite : to_rgb({0.2, 0.03, frame_.hue}), grounds, needed);
    }
    // AAA where it can be had against everything behind the text.
    const Rgb best = readable(wanted, grounds, needed == 3 ? 4.5 : 7);
    const bool good = std::ranges::all_of(grounds, [&](Rgb ground) { return contrast(best, ground) >= needed; });
    return good ? best : readable(wanted, grounds, needed);
  }

  Rgb scheme_colour(int i, Rgb was) const {
    const bool grey = is_grey(was), glyph = !at(i).text;
    switch (scheme_) {
      case Scheme::complementary:
        return grey ? tinted(was, frame_.hue, 0.02) : with_hue(was, is_near(was) ? frame_.hue + 180 : frame_.hue);
      case Scheme::analogous:
        return grey ? tinted(was, frame_.hue - kNeighbour, 0.035) : with_hue(was, frame_.hue + kNeighbour);
      case Scheme::contrast:
        break;
    }
    const bool on_light = is_light(behind(i));
    if (!grey) return to_rgb({on_light ? 0.4 : 0.88, to_oklch(was).chroma, to_oklch(was).hue});
    if (at(i).grounds.empty()) return is_light(was) ? kWhite : Rgb{0x0B, 0x0F, 0x19};
    const double quiet = glyph ? 0 : to_oklch(was).lightness * (on_light ? 0.25 : 0);  // a second rank stays one
    return on_light ? to_rgb({0.15 + quiet, 0.01, frame_.hue}) : kWhite;
  }

  void weigh(int i) {
    const Layer& layer = at(i);
    if (!layer.text || !layer.fill || layer.grounds.empty()) return;
    const auto ground = std::size_t(layer.grounds[0]);
    result_.least_before = std::min(result_.least_before, contrast(*layer.fill, *frame_.layers[ground].fill));
    result_.least_after =
        std::min(result_.least_after, contrast(*result_.fills[std::size_t(i)], *result_.fills[ground]));
  }

  const Frame& frame_;
  const Scheme scheme_;
  std::size_t budget_ = 0;
  std::vector<std::vector<int>> standing_;  // the ink on each layer
  std::vector<bool> due_;                   // ink: what is behind it has changed
  std::vector<int> numbers_;
  Colouring result_;
};

}  // namespace

Colouring colour(const Frame& frame, Scheme scheme, std::size_t changes_max) {
  return Painter(frame, scheme).paint(changes_max);
}

double contrast_needed(const LayerMetadata& text) { return text.font_size.value_or(0) >= 24 ? 3 : 4.5; }

}  // namespace figma
