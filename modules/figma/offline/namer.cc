#include "figma/offline/namer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "figma/offline/flat_colours.h"
#include "figma/offline/image_traits.h"
#include "figma/offline/picture_ground.h"

namespace figma {
namespace {

struct Role {
  std::string_view word, noun;
};

// Words in a designer's own name that say what the layer is for.
constexpr auto kRoles = std::to_array<Role>({
    {"button", "Button"},   {"btn", "Button"},        {"cta", "Button"},    {"icon", "Icon"},
    {"ico", "Icon"},        {"avatar", "Avatar"},     {"logo", "Logo"},     {"card", "Card"},
    {"toggle", "Toggle"},   {"switch", "Toggle"},     {"badge", "Badge"},   {"chip", "Chip"},
    {"tag", "Tag"},         {"input", "Field"},       {"field", "Field"},   {"banner", "Banner"},
    {"divider", "Divider"}, {"separator", "Divider"}, {"navbar", "Navbar"}, {"checkbox", "Checkbox"},
    {"slider", "Slider"},   {"tab", "Tab"},           {"modal", "Modal"},   {"tooltip", "Tooltip"},
});

std::string_view role_in(std::string_view name) {
  std::string word;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    if (i < name.size() && std::isalpha(static_cast<unsigned char>(name[i]))) {
      word += plugfleet::lower(name[i]);
      continue;
    }
    const auto role = std::ranges::find(kRoles, word, &Role::word);
    if (role != kRoles.end()) return role->noun;
    word.clear();
  }
  return {};
}

bool holds_others(std::string_view type) {
  return type == "FRAME" || type == "GROUP" || type == "INSTANCE" || type == "COMPONENT" || type == "COMPONENT_SET" ||
         type == "SECTION";
}

std::string_view kind_of(std::string_view type) {
  if (type == "FRAME" || type == "SECTION") return "Frame";
  if (type == "GROUP") return "Group";
  if (type == "INSTANCE" || type == "COMPONENT" || type == "COMPONENT_SET") return "Component";
  if (type == "TEXT") return "Text";
  if (type == "IMAGE") return "Image";
  if (type == "VECTOR" || type == "BOOLEAN_OPERATION" || type == "STAR" || type == "POLYGON") return "Shape";
  return "Layer";
}

// The words before the noun. A rectangle is what one expects, so it is not said.
std::string_view shape_word(Shape shape) {
  switch (shape) {
    case Shape::rounded:
      return "Rounded";
    case Shape::pill:
      return "Pill";
    case Shape::circle:
      return "Circle";
    case Shape::oval:
      return "Oval";
    case Shape::rectangle:
    case Shape::irregular:
      break;
  }
  return {};
}

struct Words {
  std::string text;
  Words& add(std::string_view word) {
    if (!word.empty()) text.append(text.empty() ? "" : " ").append(word);
    return *this;
  }
};

class Namer {
 public:
  Namer(std::string_view type, std::string_view current_name, const Traits& traits)
      : type_(type), role_(role_in(current_name)), t_(traits) {}

  std::string name() const {
    if (t_.width == 0) return fmt::format("Empty {}", kind_of(type_));
    if (is_line()) return divider();
    if (t_.photographic) return photo();
    if (role_.empty() && type_ != "TEXT") {
      if (const auto noun = noun_of_pieces(); !noun.empty())
        return Words{}.add(names_surface(noun) ? colour_name(t_.colour) : colour_of_ink()).add(noun).text;
    }
    if (type_ == "TEXT" || (role_.empty() && is_written())) return text();
    const auto whole = drawn(t_.second_colour);
    return whole.size() <= kNameMax ? whole : drawn(std::nullopt);
  }

  // Where the ground is taken away between pieces: the name that these have whatever they lie on, if they have one.
  std::optional<std::string> name_of_pieces() const {
    if (t_.width == 0) return std::nullopt;
    const bool icon = solid() ? false : longest() <= 96 && squarish();
    const bool known =
        is_line() || type_ == "TEXT" || icon || (role_.empty() && (is_written() || !noun_of_pieces().empty()));
    return known && !t_.photographic ? std::optional(name()) : std::nullopt;
  }

 private:
  std::string_view colour_of_ink() const { return colour_name(solid() && t_.ink_colour ? *t_.ink_colour : t_.colour); }

  // What the ink's pieces draw together.
  std::string_view noun_of_pieces() const {
    if (is_qr_code(t_.drawing)) return "QR Code";
    if (!solid() || longest() > 96) {
      if (const auto sign = sign_of(t_.drawing); !sign.empty()) return sign;
    }
    return arrangement_of(t_.drawing, solid());
  }

  float longest() const { return std::max(t_.width, t_.height); }
  float ratio() const { return t_.width / t_.height; }
  bool solid() const { return !t_.cut_out; }
  bool squarish() const { return ratio() > 0.6F && ratio() < 1.7F; }
  bool has_content() const { return solid() && !t_.plain && t_.ink.share > 0.01F && !t_.drawing.pieces.empty(); }

  bool is_line() const {
    const float thin = std::min(t_.width, t_.height);
    return type_ == "LINE" || (thin <= 4 && longest() >= 8 * thin);
  }

  // Glyphs on a transparent ground or on one flat colour: row after row changes between ink and ground many times.
  bool is_written() const {
    const bool flat = t_.cut_out || (t_.shape == Shape::rectangle && !t_.outlined && t_.colours <= 3);
    return flat && t_.colours <= 3 && t_.ink.switches >= 8 && t_.ink.share < 0.5F && t_.width > 40 &&
           has_letters(t_.drawing);
  }

  // Of a small control: the one piece that stands on it.
  const Piece* mark() const {
    const auto& pieces = t_.drawing.pieces;
    if (pieces.empty()) return nullptr;
    const auto& largest = *std::ranges::max_element(pieces, {}, [](const Piece& one) { return one.box.area(); });
    return largest.box.area() * 4 >= 3 * box_around(pieces).area() ? &largest : nullptr;
  }

  bool is_square() const { return ratio() > 0.87F && ratio() < 1.15F; }

  // A round knob at one end of a pill.
  bool is_toggle() const {
    const auto* knob = mark();
    if (!knob || t_.shape != Shape::pill || ratio() < 1.4F || ratio() > 2.5F || t_.height > 96) return false;
    const auto& [left, top, right, bottom] = knob->box;
    return knob->box.height() > 0.55F * t_.drawing.height && knob->fill() > 0.65F &&
           std::abs(knob->box.width() - knob->box.height()) <= 0.2F * knob->box.height() + 1 &&
           std::abs(left + right - t_.drawing.width) > 0.2F * t_.drawing.width;
  }

  bool is_checkbox() const {
    if (!is_square() || longest() < 10 || longest() > 48) return false;
    if (t_.shape != Shape::rectangle && t_.shape != Shape::rounded) return false;
    const auto* tick = mark();
    return tick ? icon_in(t_.drawing, tick->box) == "Check Icon" : t_.outlined && t_.drawing.pieces.empty();
  }

  // A circle with a dot or a ring around the same middle, or a small one that is an outline.
  bool is_radio_button() const {
    if (t_.shape != Shape::circle || longest() < 10 || longest() > 48) return false;
    if (t_.drawing.pieces.empty()) return t_.outlined && !t_.cut_out;
    const auto* dot = mark();
    if (!dot) return false;
    const auto& [left, top, right, bottom] = dot->box;
    const float part = static_cast<float>(right - left) / static_cast<float>(t_.drawing.width);
    const float off = static_cast<float>(
        std::max(std::abs(left + right - t_.drawing.width), std::abs(top + bottom - t_.drawing.height)));
    return part > 0.25F && part < 0.9F && off <= 0.12F * t_.drawing.width + 1 && dot->fill() > 0.3F &&
           std::abs(dot->box.width() - dot->box.height()) <= 0.12F * dot->box.width() + 1;
  }

  // A long bar, filled from one end to somewhere.
  bool is_progress_bar() const {
    const auto* filled = mark();
    if (!filled || !solid() || ratio() < 6 || t_.height > 48 || t_.gradient) return false;
    const auto& [left, top, right, bottom] = filled->box;
    const float width = static_cast<float>(t_.drawing.width);
    const bool from_end = left <= 0.02F * width || right >= 0.98F * width;
    return from_end && right - left < 0.98F * width && bottom - top > 0.7F * t_.drawing.height && filled->fill() > 0.8F;
  }

  bool has_initials() const {
    const auto& pieces = t_.drawing.pieces;
    if (t_.shape != Shape::circle || longest() < 24 || longest() > 160 || pieces.size() != 2) return false;
    const auto &one = pieces[0].box, &other = pieces[1].box;
    return std::abs(one.height() - other.height()) <= 0.2F * one.height() + 1 &&
           std::abs(one.top - other.top) <= 0.1F * t_.drawing.height && one.height() < 0.5F * t_.drawing.height &&
           (one.right <= other.left + 1 || other.right <= one.left + 1);
  }

  std::string divider() const {
    return Words{}
        .add(colour_name(t_.colour))
        .add(t_.height > t_.width ? "Vertical" : "Horizontal")
        .add("Divider")
        .text;
  }

  std::string photo() const {
    const float warmth = t_.mean.b + 0.4F * t_.mean.a;
    Words words;
    if (t_.mean.lightness < 0.38F) words.add("Dark");
    if (t_.mean.lightness > 0.82F) words.add("Bright");
    words.add(warmth > 0.02F ? "Warm" : warmth < -0.02F ? "Cool" : "Neutral");
    if (role_ == "Avatar" || (t_.shape == Shape::circle && longest() <= 256)) return words.add("Photo Avatar").text;
    words.add(shape_word(t_.shape));
    if (ratio() > 2.2F) return words.add("Panorama Photo").text;
    return words.add(ratio() > 1.15F ? "Landscape" : ratio() < 0.87F ? "Portrait" : "Square").add("Photo").text;
  }

  std::string text() const {
    const bool on_ground = solid() && t_.ink_colour;
    Words words;
    words.add(colour_name(on_ground ? *t_.ink_colour : t_.colour));
    const bool large = (t_.ink.lines ? t_.ink.line_height : t_.height) >= 24;
    if (t_.ink.lines <= 1) return words.add(large ? "Heading" : "Text Line").text;
    return words.add(fmt::format("{}-Line", t_.ink.lines)).add(large ? "Heading" : "Paragraph").text;
  }

  std::string drawn(std::optional<std::size_t> second_colour) const {
    const auto noun = role_.empty() ? noun_of() : role_;
    Words words;
    if (t_.translucent) words.add("Translucent");
    words.add(colour_name(t_.colour));
    const bool wide_enough_for_two =
        longest() > 96 && noun != "Button" && noun != "Toggle" && noun != "Avatar" && !noun.ends_with("Bar");
    if (second_colour && wide_enough_for_two) words.add("and").add(colour_name(*second_colour));
    if (t_.gradient && noun != "Avatar") words.add("Gradient");
    const bool scattered = t_.shape == Shape::irregular || noun == "Line Icon" || noun == "Group";
    // A plain shape's own noun is its shape already, and a card's corners and hairline tell nothing.
    const bool large = noun == "Card" || noun == "Screen";
    if ((t_.outlined && !large && !is_control(noun)) || (t_.hollow && !scattered)) words.add("Outlined");
    if (!large && !is_control(noun) && !names_shape(noun)) words.add(shape_word(t_.shape));
    return words.add(noun).text;
  }

  static bool is_control(std::string_view noun) {
    return noun == "Toggle" || noun == "Checkbox" || noun == "Radio Button" || noun == "Progress Bar";
  }

  // Where the surface is more of it than what stands on it.
  static bool names_surface(std::string_view noun) {
    return noun == "Table" || noun == "Dialog" || noun == "Segmented Control";
  }

  static bool names_shape(std::string_view noun) {
    return noun.ends_with("Circle") || noun.ends_with("Rectangle") || noun.ends_with("Square") ||
           noun.ends_with("Pill") || noun.ends_with("Oval") || noun.ends_with("Dot");
  }

  std::string_view noun_of() const {
    if (is_toggle()) return "Toggle";
    if (is_checkbox()) return "Checkbox";
    if (is_radio_button()) return "Radio Button";
    if (is_progress_bar()) return "Progress Bar";
    if (has_initials()) return "Avatar";
    if (t_.shape == Shape::circle && t_.colours >= 3 && longest() >= 24 && longest() <= 256) {
      return t_.mirrored ? "Avatar" : "Circle";
    }
    if (longest() <= 96 && squarish() && (!solid() || has_content())) {
      if (const auto* sign = solid() ? mark() : nullptr) {
        if (const auto icon = icon_in(t_.drawing, sign->box); !icon.empty()) return icon;
      }
      if (solid()) return "Icon";
      return t_.hollow || t_.ink.share < 0.4F ? "Line Icon" : "Solid Icon";
    }
    if (!solid()) {
      if (t_.hollow && t_.shape != Shape::irregular && t_.height <= 96 && ratio() > 1.6F) return "Button";
      if (t_.colours >= 4) return "Illustration";
      return kind_of(type_) == "Layer" ? "Shape" : kind_of(type_);
    }
    if (has_content()) return container();
    if (ratio() >= 3 && t_.width >= 400) return t_.height <= 48 ? "Bar" : "Wide Banner";
    if (holds_others(type_)) return "Panel";
    return plain_shape();
  }

  // Something solid with something on it.
  std::string_view container() const {
    const Box ink = box_around(t_.drawing.pieces);
    const float wide = static_cast<float>(t_.drawing.width);
    const bool centred = std::abs(static_cast<float>(ink.left + ink.right) - wide) < 0.2F * wide;
    if (t_.height <= 96 && ratio() >= 1.6F && ratio() <= 8) {
      if (t_.height < 28) return "Badge";
      const auto field = t_.outlined || t_.mean.lightness > 0.8F ? "Field" : "Panel";
      if (ink.left < 0.2F * wide && !centred_ink()) return field;
      return centred || ink.right > 0.8F * wide ? "Button" : field;
    }
    if (ratio() > 8) return "Bar";
    if (ratio() >= 3 && t_.width >= 400) return "Wide Banner";
    if (t_.width >= 240 && ratio() > 0.4F && ratio() < 0.65F) return "Screen";
    return "Card";
  }

  // Something stands in the middle fifth.
  bool centred_ink() const {
    return std::ranges::any_of(t_.drawing.pieces, [&](const Piece& one) {
      return one.box.left < 0.6F * t_.drawing.width && one.box.right > 0.4F * t_.drawing.width;
    });
  }

  std::string_view plain_shape() const {
    const bool square = std::abs(ratio() - 1) < 0.06F;
    switch (t_.shape) {
      case Shape::circle:
        return longest() <= 16 ? "Dot" : longest() >= 400 ? "Large Circle" : "Circle";
      case Shape::oval:
        return "Oval";
      case Shape::pill:
        return "Pill";
      case Shape::rounded:
        return square ? "Rounded Square" : "Rounded Rectangle";
      case Shape::rectangle:
      case Shape::irregular:
        break;
    }
    return square ? "Square" : longest() >= 400 ? "Large Rectangle" : "Rectangle";
  }

  std::string_view type_;
  std::string_view role_;
  const Traits& t_;
};

}  // namespace

std::expected<std::string, plugfleet::ImageError> offline_name(std::string_view node_type,
                                                               std::string_view current_name,
                                                               std::span<const std::uint8_t> image) {
  auto pixels = plugfleet::decode_image(image);
  if (!pixels) return std::unexpected(pixels.error());
  flatten_colours(*pixels);
  auto off = take_off_ground(*pixels);
  if (off.ground != Ground::none) {
    const auto traits = traits_of(off.pixels, off.colour);
    const Namer namer(node_type, current_name, traits);
    if (off.ground == Ground::around) return namer.name();
    if (const auto name = namer.name_of_pieces()) return *name;
  }
  return Namer(node_type, current_name, traits_of(*pixels)).name();
}

}  // namespace figma
