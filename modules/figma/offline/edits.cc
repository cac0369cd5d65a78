#include "figma/offline/edits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "figma/offline/layout.h"
#include "figma/offline/palette.h"
#include "figma/offline/words.h"
#include "wire/json.h"

namespace figma {
namespace {

using plugfleet::Json;

constexpr std::size_t kExtrasMax = 8;  // of a variant's instructions, kept for pictures and words
constexpr std::size_t kPicturesMax = 4;
constexpr std::size_t kTextsMax = 3;

Json number(double value) {
  value = std::round(value * 100) / 100;
  const auto whole = static_cast<std::int64_t>(value);
  return static_cast<double>(whole) == value ? Json(whole) : Json(value);
}

Json to_json(const Instruction& is) {
  Json json = Json::object({{"action", is.action}, {"layerId", is.layer_id}});
  const auto text = [&](const char* key, const auto& value) {
    if (value) json.set(key, *value);
  };
  const auto length = [&](const char* key, const std::optional<double>& value) {
    if (value) json.set(key, number(*value));
  };
  text("text", is.text), text("fill", is.fill), text("imagePrompt", is.image_prompt), text("visible", is.visible);
  length("fontSize", is.font_size), length("cornerRadius", is.corner_radius), length("opacity", is.opacity);
  length("x", is.x), length("y", is.y), length("width", is.width), length("height", is.height);
  return json;
}

class Designer {
 public:
  explicit Designer(const Frame& frame) : frame_(frame) {
    for (const Layer& layer : frame.layers) {
      boxes_.push_back(layer.box);
      fonts_.push_back(layer.data->font_size.value_or(0));
      fills_.push_back(layer.fill);
    }
  }

  std::vector<Variant> variants() {
    std::vector<Variant> variants{complementary(), analogous(), high_contrast(), dense(), airy()};
    std::set<std::string> seen;
    for (std::size_t i = 0; i < variants.size() && !frame_.layers.empty(); ++i) {
      auto& instructions = variants[i].instructions;
      if (instructions.size() > kInstructionsMax) instructions.resize(kInstructionsMax);
      if (instructions.empty()) last_resort(variants[i], i);
      while (!seen.insert(print(instructions)).second) last_resort(variants[i], i + seen.size());
    }
    return variants;
  }

 private:
  const Layer& at(int i) const { return frame_.layers[static_cast<std::size_t>(i)]; }

  static std::string print(const std::vector<Instruction>& instructions) {
    std::string out;
    for (const Instruction& instruction : instructions) out += to_json(instruction).dump();
    return out;
  }

  // ---- Colours ----

  Variant complementary() {
    const auto painted = colour(frame_, Scheme::complementary, kInstructionsMax - kExtrasMax);
    Variant variant{.theme = "Complementary accent", .description = {}, .instructions = fills(painted)};
    add_words(variant, boxes_, fonts_);
    add_pictures(variant, painted.fills, {frame_.hue, frame_.hue + 180});
    variant.description =
        painted.accent ? fmt::format(
                             "Shifted the accent from {} to its complement {} and gave greys a trace of the "
                             "first hue, with all text still legible.",
                             hex(painted.accent->first), hex(painted.accent->second))
                       : fmt::format("Set warm against cool around {}, with all text still legible.", hue_text());
    return variant;
  }

  Variant analogous() {
    const auto painted = colour(frame_, Scheme::analogous, kInstructionsMax - kExtrasMax);
    Variant variant{.theme = "Analogous harmony", .description = {}, .instructions = fills(painted)};
    add_words(variant, boxes_, fonts_);
    add_pictures(variant, painted.fills, {frame_.hue - 30, frame_.hue + 30});
    variant.description =
        fmt::format("Drew all colours from the neighbours of {}, 30 degrees to either side{}.", hue_text(),
                    painted.accent ? fmt::format(", with {} as the accent", hex(painted.accent->second)) : "");
    return variant;
  }

  Variant high_contrast() {
    const auto painted = colour(frame_, Scheme::contrast, kInstructionsMax);
    Variant variant{.theme = "High contrast AA", .description = {}, .instructions = fills(painted)};
    variant.description =
        painted.least_before < 21
            ? fmt::format(
                  "Raised the weakest text from {:.1f}:1 to {:.1f}:1 against what is behind it (WCAG 2.2 AA), "
                  "with deeper accents and plain grounds.",
                  floored(painted.least_before), floored(painted.least_after))
            : "Moved grounds and text to the ends of lightness, with accents that stand out at 4.5:1 or more.";
    return variant;
  }

  static double floored(double ratio) { return std::floor(ratio * 10) / 10; }

  std::string hue_text() const { return hex(frame_.primary.value_or(to_rgb({0.58, 0.19, frame_.hue}))); }

  std::vector<Instruction> fills(const Colouring& painted) const {
    std::vector<Instruction> out;
    out.reserve(painted.changed.size() + kExtrasMax);
    for (const int i : painted.changed)
      out.push_back({.action = "setFill", .layer_id = at(i).data->id, .fill = hex(*painted.fills[std::size_t(i)])});
    return out;
  }

  // ---- Layouts ----

  Variant dense() {
    Layout layout = lay_out(frame_, Density::dense, kInstructionsMax);
    Variant variant{.theme = "Dense", .description = {}, .instructions = std::move(layout.instructions)};
    const auto radii = add_radii(variant, layout, Density::dense);
    variant.description = layout.in_place
                              ? "Took text one step down the type scale, with smaller shapes and tighter corners."
                              : fmt::format(
                                    "Closed the rows up by about two fifths and took text one step down the "
                                    "type scale, 11 px at the least{}.",
                                    radii > 0 ? ", with tighter corners" : "");
    return variant;
  }

  Variant airy() {
    Layout layout = lay_out(frame_, Density::airy, kInstructionsMax - kExtrasMax);
    Variant variant{.theme = "Airy", .description = {}, .instructions = std::move(layout.instructions)};
    add_words(variant, layout.boxes, layout.fonts);
    add_pictures(variant, fills_, {frame_.hue, frame_.hue + 40});
    const bool larger = std::ranges::any_of(variant.instructions, &has_font);
    add_radii(variant, layout, Density::airy);
    variant.description = layout.in_place ? "Drew shapes in where they stand, for more room between them and rounder "
                                            "corners."
                                          : fmt::format("Opened the gaps by up to a half{} and rounded the corners.",
                                                        larger ? ", took text one step up the type scale" : "");
    return variant;
  }

  static bool has_font(const Instruction& is) { return is.action == "setFontSize"; }

  // A pill stays a pill. What reaches the frame's edge keeps its corners.
  std::size_t add_radii(Variant& variant, const Layout& layout, Density density) const {
    std::size_t added = 0;
    for (const int i : frame_.by_area) {
      const Layer& layer = at(i);
      const Box& box = layout.boxes[std::size_t(i)];
      const double least = std::min(box.size(Axis::x), box.size(Axis::y));
      const double was_least = std::min(layer.box.size(Axis::x), layer.box.size(Axis::y));
      const double was = std::max(0.0, layer.data->corner_radius.value_or(0));
      const bool at_edge = layer.box.lo[0] <= 0 || layer.box.hi[0] >= frame_.box.hi[0];
      if (!is_shape_with_corners(layer.data->type) || at_edge || least < 16) continue;
      double radius = was;
      if (was > 0 && was >= was_least / 2) {
        radius = std::max(was, std::ceil(least / 2));
      } else if (density == Density::dense) {
        radius = std::round(was * 0.5);
      } else if (was > 0) {
        radius = std::round(was * 1.5) + 2;
      } else if (layer.fill || layer.photo) {
        radius = least >= 100 ? 16 : 8;
      }
      if (was < was_least / 2) radius = std::min(radius, std::floor(least / 2));
      if (std::abs(radius - was) < 0.5) continue;
      if (variant.instructions.size() >= kInstructionsMax) break;
      variant.instructions.push_back(
          {.action = "setCornerRadius", .layer_id = layer.data->id, .corner_radius = radius});
      ++added;
    }
    return added;
  }

  // ---- Pictures and words ----

  bool holds_a_photo(int i) const {
    return std::ranges::any_of(frame_.layers, [&](const Layer& other) { return other.photo && other.holder == i; });
  }

  void add_pictures(Variant& variant, const std::vector<std::optional<Rgb>>& colours,
                    std::array<double, 2> hues) const {
    std::vector<int> photos;
    const auto usable = [this](int i) {
      return at(i).photo && at(i).box.area() >= 256 && frame_.box.overlaps(at(i).box) && !holds_a_photo(i);
    };
    for (const bool text_on_it : {false, true}) {  // with text on it only where there is no other
      if (!photos.empty()) break;
      std::ranges::copy_if(frame_.by_area, std::back_inserter(photos),
                           [&](int i) { return usable(i) && at(i).holds_text == text_on_it; });
    }
    if (photos.size() > kPicturesMax) photos.resize(kPicturesMax);
    for (const int i : photos) {
      Rgb first = to_rgb({0.42, 0.11, hues[0]}), second = to_rgb({0.9, 0.07, hues[1]});
      const bool calm = at(i).holds_text;
      if (const auto fill = colours[std::size_t(i)]; fill && calm) {
        // Near the fill that its text was made for, and away from the text.
        const Oklch from = to_oklch(*fill);
        first = *fill, second = to_rgb({from.lightness + (from.lightness > 0.6 ? 0.03 : -0.05), from.chroma, from.hue});
      }
      variant.instructions.push_back({.action = "generateImage",
                                      .layer_id = at(i).data->id,
                                      .image_prompt = picture_prompt(frame_, at(i), first, second, calm)});
    }
  }

  // `boxes` and `fonts`: where layers are in this variant, and how large.
  void add_words(Variant& variant, const std::vector<Box>& boxes, const std::vector<double>& fonts) const {
    std::size_t added = 0;
    for (std::size_t i = 0; i < frame_.layers.size() && added < kTextsMax; ++i) {
      const Layer& layer = frame_.layers[i];
      Box box = boxes[i];
      const Box* label_of = centred_in(layer, box, boxes);
      const double room = label_of ? label_of->size(Axis::x) - 16 : box.size(Axis::x);
      const double size = fonts[i] > 0 ? fonts[i] : 16;
      auto better = better_text(*layer.data, size, room);
      if (!better || better == layer.data->text) continue;
      if (label_of) {  // the label stays in the middle of its button
        const double width = std::min(room, std::ceil(guessed_width(*better, size)));
        if (width > box.size(Axis::x) && box.size(Axis::y) >= 1) {
          const double left = std::round(label_of->lo[0] + (label_of->size(Axis::x) - width) / 2);
          box.lo[0] = left, box.hi[0] = left + width;
          put(variant, layer, box);
        }
      }
      variant.instructions.push_back({.action = "setText", .layer_id = layer.data->id, .text = std::move(better)});
      ++added;
    }
  }

  const Box* centred_in(const Layer& layer, const Box& box, const std::vector<Box>& boxes) const {
    if (layer.holder < 0) return nullptr;
    const auto held_too = std::ranges::count(frame_.layers, layer.holder, &Layer::holder);
    const Box& around = boxes[std::size_t(layer.holder)];
    const double left = box.lo[0] - around.lo[0], right = around.hi[0] - box.hi[0];
    return held_too == 1 && std::abs(left - right) <= 4 ? &around : nullptr;
  }

  // Each of move and resize stands once.
  static void put(Variant& variant, const Layer& layer, const Box& box) {
    std::erase_if(variant.instructions, [&](const Instruction& is) {
      return is.layer_id == layer.data->id && (is.action == "move" || is.action == "resize");
    });
    const double w = box.size(Axis::x), h = box.size(Axis::y);
    variant.instructions.push_back({.action = "move", .layer_id = layer.data->id, .x = box.lo[0], .y = box.lo[1]});
    variant.instructions.push_back({.action = "resize", .layer_id = layer.data->id, .width = w, .height = h});
  }

  // ---- Where a frame offers nothing: one layer in one other colour ----

  void last_resort(Variant& variant, std::size_t turn) const {
    int target = frame_.by_area[0];
    for (const int i : frame_.by_area) {
      if (at(i).data->type != "GROUP") {
        target = i;
        break;
      }
    }
    const Layer& layer = at(target);
    const double hue = frame_.hue + 72.0 * static_cast<double>(turn);
    const double lightness = 0.45 - 0.004 * static_cast<double>(turn % 50);
    const std::array grounds{layer.grounds.empty() ? Rgb{255, 255, 255} : *at(layer.grounds[0]).fill};
    const Rgb fill = readable(to_rgb({lightness, 0.14, hue}), grounds, 4.5);
    std::erase_if(variant.instructions,
                  [&](const Instruction& is) { return is.action == "setFill" && is.layer_id == layer.data->id; });
    if (variant.instructions.size() == kInstructionsMax) variant.instructions.pop_back();
    variant.instructions.push_back({.action = "setFill", .layer_id = layer.data->id, .fill = hex(fill)});
    variant.description = fmt::format("There was little to change: set the largest layer to {}.", hex(fill));
  }

  const Frame& frame_;
  std::vector<Box> boxes_;  // as they are
  std::vector<double> fonts_;
  std::vector<std::optional<Rgb>> fills_;
};

}  // namespace

std::string offline_edits(const EditRequest& request) {
  const Frame frame = read_frame(request);
  Json variants = Json::array();
  for (const Variant& variant : Designer(frame).variants()) {
    Json instructions = Json::array();
    for (const Instruction& instruction : variant.instructions) instructions.push(to_json(instruction));
    variants.push(
        Json::object({{"theme", variant.theme}, {"description", variant.description}, {"instructions", instructions}}));
  }
  return Json::object({{"variants", variants}}).dump();
}

}  // namespace figma
