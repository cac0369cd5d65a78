#include "figma/offline_namer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <optional>

#include "figma/image_traits.h"

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
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
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
    if (type_ == "TEXT" || (role_.empty() && is_written())) return text();
    const auto whole = drawn(t_.second_colour);
    return whole.size() <= kNameMax ? whole : drawn(std::nullopt);
  }

 private:
  float longest() const { return std::max(t_.width, t_.height); }
  float ratio() const { return t_.width / t_.height; }
  bool solid() const { return !t_.cut_out; }
  bool squarish() const { return ratio() > 0.6F && ratio() < 1.7F; }
  bool has_content() const { return solid() && !t_.plain && t_.ink.share > 0.01F; }

  bool is_line() const {
    const float thin = std::min(t_.width, t_.height);
    return type_ == "LINE" || (thin <= 4 && longest() >= 8 * thin);
  }

  // Glyphs on a transparent ground or on one flat colour: row after row changes between ink and ground many times.
  bool is_written() const {
    const bool flat = t_.cut_out || (t_.shape == Shape::rectangle && !t_.outlined && t_.colours <= 3);
    return flat && t_.colours <= 3 && t_.ink.switches >= 8 && t_.ink.share < 0.5F && t_.width > 40;
  }

  // A knob at one end of a pill.
  bool is_toggle() const {
    const auto& ink = t_.ink;
    const float width = (ink.right - ink.left) * t_.width, height = (ink.bottom - ink.top) * t_.height;
    return t_.shape == Shape::pill && ratio() > 1.4F && ratio() < 2.5F && t_.height <= 96 &&
           height > 0.55F * t_.height && std::abs(width - height) < 0.25F * height &&
           std::abs(ink.left + ink.right - 1) > 0.2F;
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
    const bool wide_enough_for_two = longest() > 96 && noun != "Button" && noun != "Toggle" && noun != "Avatar";
    if (second_colour && wide_enough_for_two) words.add("and").add(colour_name(*second_colour));
    if (t_.gradient && noun != "Avatar") words.add("Gradient");
    const bool scattered = t_.shape == Shape::irregular || noun == "Line Icon" || noun == "Group";
    if (t_.outlined || (t_.hollow && !scattered)) words.add("Outlined");
    // A plain shape's own noun is its shape already, and a card's corners tell nothing.
    if (noun != "Card" && noun != "Screen" && noun != "Toggle" && !names_shape(noun)) words.add(shape_word(t_.shape));
    return words.add(noun).text;
  }

  static bool names_shape(std::string_view noun) {
    return noun.ends_with("Circle") || noun.ends_with("Rectangle") || noun.ends_with("Square") ||
           noun.ends_with("Pill") || noun.ends_with("Oval") || noun.ends_with("Dot");
  }

  std::string_view noun_of() const {
    if (is_toggle()) return "Toggle";
    if (t_.shape == Shape::circle && t_.colours >= 3 && longest() >= 24 && longest() <= 256) return "Avatar";
    if (longest() <= 96 && squarish() && (!solid() || has_content())) {
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
    const bool centred = std::abs(t_.ink.left + t_.ink.right - 1) < 0.2F;
    if (t_.height <= 96 && ratio() >= 1.6F && ratio() <= 8) {
      if (t_.height < 28) return "Badge";
      return centred || t_.ink.right > 0.8F ? "Button" : "Field";
    }
    if (ratio() > 8) return "Bar";
    if (ratio() >= 3 && t_.width >= 400) return "Wide Banner";
    if (t_.width >= 320 && t_.height >= 560) return "Screen";
    return "Card";
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
  const auto pixels = plugfleet::decode_image(image);
  if (!pixels) return std::unexpected(pixels.error());
  return Namer(node_type, current_name, traits_of(*pixels)).name();
}

}  // namespace figma
