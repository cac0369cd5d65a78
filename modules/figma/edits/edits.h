// A frame to be edited, and what edits of it are: the words that generate_edits, the prompt, the check of an answer and
// the offline designer share. Field names and actions are the API's.
#pragma once

#include <plugfleet/module.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "figma/request_rules.h"

namespace figma {

inline constexpr std::size_t kVariants = 5;

// What an instruction and a variant may say; anything else is dropped (edit_reply.h). Lengths are code points.
inline constexpr std::size_t kInstructionsMax = 200;
inline constexpr std::size_t kThemeMax = 80, kDescriptionMax = 500, kTextMax = 2000, kImagePromptMax = 500;
inline constexpr double kPlaceMost = 1e6, kSizeMost = 100'000, kFontSizeMost = 1000, kCornerRadiusMost = 10'000;

// Lengths are in pixels of the frame; x and y from its top left corner.
struct LayerMetadata {
  std::string id, name, type;
  double x = 0, y = 0, width = 0, height = 0;
  std::optional<std::string> text, fill;  // fill: as the client said it, "#RRGGBB" where it knows better
  std::optional<double> font_size, corner_radius, opacity;
  std::optional<std::string> parent_id;
  void fields(auto& f) {
    using namespace plugfleet;
    const Rule place = range(-1e6, 1e6), size = range(0, 1e6);
    f("id", id, length(1, 255));
    f("name", name, words(0, 1000));
    f("type", type, length(1, 64));
    f("x", x, place), f("y", y, place), f("width", width, size), f("height", height, size);
    f("text", text, words(0, 10'000)), f("fill", fill, length(0, 64));
    f("fontSize", font_size, range(0, 10'000)), f("cornerRadius", corner_radius, size);
    f("opacity", opacity, range(0, 1)), f("parentId", parent_id, length(0, 255));
    f.ignore_others();
  }
};

struct EditRequest {
  std::string user_email;
  std::optional<std::string> user_id;
  std::string frame_name;
  double frame_width = 0, frame_height = 0;
  std::optional<plugfleet::LargeText> frame_image_base64;
  std::vector<LayerMetadata> layers;
  std::optional<bool> generate_images;
  std::optional<std::string> prompt_file;  // core/prompts.h judges it
  void fields(auto& f) {
    using namespace plugfleet;
    const Rule side = range(0.01, 1e6);  // the least is Figma's own
    f("userEmail", user_email, email()), f("userId", user_id, length(1, 255));
    f("frameName", frame_name, words(0, 1000));
    f("frameWidth", frame_width, side), f("frameHeight", frame_height, side);
    f("frameImageBase64", frame_image_base64, Rule{.length_min = 1});
    f("layers", layers, items(1, kLayersMax));
    f("generateImages", generate_images), f("promptFile", prompt_file, words(0, SIZE_MAX));
    f.ignore_others();
  }
};

// One change of one layer. Beside "action" and "layerId" it has the members of its action:
//   setText {"text"}                 setFill {"fill": "#RRGGBB"}     setFontSize {"fontSize"}   move {"x", "y"}
//   setCornerRadius {"cornerRadius"} setOpacity {"opacity"}          setVisible {"visible"}     resize {"width",
//   "height"} generateImage {"imagePrompt"}, and in the reply "generatedImageBase64" where an image was made
inline constexpr std::string_view kActionNames[] = {"setText",         "setFill",    "setFontSize",
                                                    "setCornerRadius", "setOpacity", "move",
                                                    "resize",          "setVisible", "generateImage"};
struct Instruction {
  std::string action, layer_id;
  std::optional<std::string> text, fill, image_prompt;
  std::optional<double> font_size, corner_radius, opacity, x, y, width, height;
  std::optional<bool> visible;
  std::optional<std::string> generated_image_base64;  // edits_json() adds it
  void fields(auto& f) {
    using namespace plugfleet;
    const Rule rule = left_out();
    f("action", action, one_of(kActionNames)), f("layerId", layer_id);
    f("text", text, rule), f("fill", fill, rule), f("imagePrompt", image_prompt, rule);
    f("fontSize", font_size, rule), f("cornerRadius", corner_radius, rule), f("opacity", opacity, rule);
    f("x", x, rule), f("y", y, rule), f("width", width, rule), f("height", height, rule);
    f("visible", visible, rule), f("generatedImageBase64", generated_image_base64, rule);
  }
};

struct Variant {
  std::string theme, description;
  std::vector<Instruction> instructions;
  void fields(auto& f) {
    f("theme", theme);
    f("description", description);
    f("instructions", instructions);
  }
};

// What edits_json() writes.
struct EditResult {
  std::vector<Variant> variants;
  std::int64_t dropped = 0;             // instructions that broke a rule
  std::optional<std::int64_t> missing;  // where there are fewer than five variants
  void fields(auto& f) {
    f("variants", variants);
    f("dropped", dropped);
    f("missing", missing, plugfleet::left_out());
  }
};

}  // namespace figma
