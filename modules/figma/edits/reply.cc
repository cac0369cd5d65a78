#include "figma/edits/reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <expected>
#include <iterator>
#include <unordered_map>

#include "base/text.h"
#include "base/utf8.h"
#include "figma/colour_text.h"
#include "figma/json_pieces.h"
#include "figma/plain_text.h"
#include "wire/json_string.h"
#include "wire/json_writer.h"

namespace figma {

using namespace plugfleet;

namespace {

constexpr std::size_t kInstructionBytesMax = 64 * 1024;
constexpr int kLevels = 3;  // the answer, what it is as a string, and what that is as one

// ---- One instruction -----------------------------------------------------------------------------------------------

using Wrong = const char*;  // goes after "N instructions "
constexpr Wrong kUnreadable = "were not JSON objects", kUnknownAction = "had an unknown action",
                kUnknownLayer = "named no layer of the frame", kNotText = "changed the text of a layer that has none",
                kBadMember = "lacked a member of theirs or had one out of range",
                kTooMany = "were more than a variant may have";

struct Reading {
  const Json& json;
  Instruction& into;

  bool number(std::string_view name, std::optional<double>& target, double least, double most) const {
    const Json value = json[name];
    target = value.string() ? number_in<double>(*value.string()) : value.number();
    return target && *target >= least && *target <= most;
  }

  bool fill() const {
    const Json value = json["fill"];
    const auto colour = read_colour(value.string().value_or(""));
    if (colour) into.fill = hex(colour->rgb);
    return colour.has_value();
  }

  bool text() const {
    const Json value = json["text"];
    if (!value.string()) return false;
    into.text = without_controls(*value.string());
    return utf8_count(*into.text) <= kTextMax;
  }

  bool visible() const {
    into.visible = json["visible"].boolean();
    return into.visible.has_value();
  }

  bool image_prompt() const {
    const Json value = json["imagePrompt"];
    into.image_prompt = utf8_prefix(one_line(value.string().value_or("")), kImagePromptMax);
    return !into.image_prompt->empty();
  }
};

struct Action {
  std::string_view name;
  bool on_text;                          // only layers of text have what it changes
  bool (*read)(const Reading& reading);  // false: a member is missing or out of range
};

constexpr std::array<Action, 9> kActions{{
    {"setText", true, [](const Reading& r) { return r.text(); }},
    {"setFill", false, [](const Reading& r) { return r.fill(); }},
    {"setFontSize", true, [](const Reading& r) { return r.number("fontSize", r.into.font_size, 1, kFontSizeMost); }},
    {"setCornerRadius", false,
     [](const Reading& r) { return r.number("cornerRadius", r.into.corner_radius, 0, kCornerRadiusMost); }},
    {"setOpacity", false, [](const Reading& r) { return r.number("opacity", r.into.opacity, 0, 1); }},
    {"move", false,
     [](const Reading& r) {
       return r.number("x", r.into.x, -kPlaceMost, kPlaceMost) && r.number("y", r.into.y, -kPlaceMost, kPlaceMost);
     }},
    {"resize", false,
     [](const Reading& r) {
       return r.number("width", r.into.width, 1, kSizeMost) && r.number("height", r.into.height, 1, kSizeMost);
     }},
    {"setVisible", false, [](const Reading& r) { return r.visible(); }},
    {"generateImage", false, [](const Reading& r) { return r.image_prompt(); }},
}};

static_assert(std::ranges::equal(kActions, kActionNames, {}, &Action::name));

using Layers = std::unordered_map<std::string_view, const LayerMetadata*>;

// A line break within a string is a common slip; outside of strings a space does as well.
std::optional<Json> parse_forgiving(std::string_view text) {
  if (text.size() > kInstructionBytesMax) return {};
  std::string clean(text);
  std::ranges::replace_if(clean, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return Json::parse(clean);
}

std::expected<Instruction, Wrong> read_instruction(std::string_view text, const Layers& layers) {
  const auto json = parse_forgiving(text);
  if (!json || !json->is_object()) return std::unexpected(kUnreadable);
  const Json named = (*json)["action"], on = (*json)["layerId"];
  const auto action = std::ranges::find(kActions, named.string().value_or(""), &Action::name);
  if (action == kActions.end()) return std::unexpected(kUnknownAction);
  const auto layer = layers.find(on.string().value_or(""));
  if (layer == layers.end()) return std::unexpected(kUnknownLayer);
  Instruction instruction{.action = std::string(action->name), .layer_id = layer->second->id};
  const bool is_text = layer->second->type == "TEXT";
  if (action->on_text && !is_text) return std::unexpected(kNotText);
  if (!action->read({*json, instruction})) return std::unexpected(kBadMember);
  return instruction;
}

// ---- The whole -----------------------------------------------------------------------------------------------------

std::string line_of(std::string_view json_string, std::size_t most) {
  const auto text = parse_forgiving(json_string);
  return text ? std::string(utf8_prefix(one_line(text->string().value_or("")), most)) : std::string();
}

// JSON that was sent as a string in the JSON around it.
std::string opened(std::string_view piece) {
  const bool is_string = piece.size() > 1 && piece.starts_with('"') && piece.ends_with('"');
  return is_string ? tidied(unescaped(piece.substr(1, piece.size() - 2))) : std::string(piece);
}

class Reader {
 public:
  explicit Reader(const EditRequest& request) {
    for (const LayerMetadata& layer : request.layers) layers_.emplace(layer.id, &layer);
  }

  void add_variant(std::string_view text) {
    if (reply_.complete()) return;
    const std::string object = opened(text);
    const auto members = pieces_of(object);
    Variant variant{.theme = line_of(member_of(members, "theme"), kThemeMax),
                    .description = line_of(member_of(members, "description"), kDescriptionMax)};
    if (variant.theme.empty()) variant.theme = fmt::format("Variant {}", reply_.variants.size() + 1);
    const std::string instructions = opened(member_of(members, "instructions"));
    for (const std::string_view piece : pieces_of(instructions)) {
      auto instruction = variant.instructions.size() < kInstructionsMax ? read_instruction(opened(piece), layers_)
                                                                        : std::unexpected(kTooMany);
      if (instruction) {
        variant.instructions.push_back(std::move(*instruction));
      } else {
        ++dropped_[instruction.error()];
      }
    }
    if (!variant.instructions.empty()) reply_.variants.push_back(std::move(variant));
  }

  EditReply finish() {
    for (const auto& [wrong, count] : dropped_) reply_.dropped += count;
    if (reply_.complete()) return std::move(reply_);
    reply_.complaint = fmt::format("it held {} usable variants instead of {}", reply_.variants.size(), kVariants);
    for (const auto& [wrong, count] : dropped_) reply_.complaint += fmt::format("; {} instructions {}", count, wrong);
    return std::move(reply_);
  }

 private:
  Layers layers_;
  EditReply reply_;
  std::map<std::string_view, int> dropped_;
};

}  // namespace

EditReply read_edit_reply(std::string_view answer, const EditRequest& request) {
  EditReply best = Reader(request).finish();
  const auto read = [&](std::string_view array) {
    Reader reader(request);
    const std::string tidy = tidied(array);
    for (const std::string_view piece : pieces_of(tidy)) reader.add_variant(piece);
    EditReply reply = reader.finish();
    const bool better = reply.variants.size() > best.variants.size();
    if (better || (best.variants.empty() && reply.dropped > best.dropped)) best = std::move(reply);
  };
  std::string inner(answer);
  for (int level = 0; level < kLevels && best.variants.empty(); ++level) {
    if (level > 0) inner = unescaped(inner);
    for (const std::string_view array : arrays_named(inner, "variants")) {
      if (!best.complete()) read(array);
    }
    if (best.variants.empty()) read(first_array_of_objects(inner));
  }
  return best;
}

EditReply completed(EditReply first, EditReply second) {
  if (second.complete() || first.variants.empty()) return second;
  const std::size_t wanted = std::min(kVariants - first.variants.size(), second.variants.size());
  std::move(second.variants.begin(), second.variants.begin() + static_cast<std::ptrdiff_t>(wanted),
            std::back_inserter(first.variants));
  first.dropped += second.dropped;
  first.complaint = first.complete() ? "" : second.complaint;
  return first;
}

// ---- As it is answered ---------------------------------------------------------------------------------------------

// Written piece by piece: the pictures, the bulk of it, are copied once.
std::string edits_json(const EditReply& reply, const Pictures& pictures) {
  JsonWriter json;
  json.object().array("variants");
  for (const Variant& variant : reply.variants) {
    json.object().add("theme", variant.theme).add("description", variant.description).array("instructions");
    for (const Instruction& instruction : variant.instructions) {
      json.object().members(write_fields(instruction).dump());
      const auto picture = pictures.find(instruction.image_prompt.value_or(""));
      if (picture != pictures.end()) json.plain("generatedImageBase64", picture->second);
      json.end();
    }
    json.end().end();
  }
  json.end().add("dropped", reply.dropped);
  if (!reply.complete()) json.add("missing", kVariants - reply.variants.size());
  return std::move(json).text();
}

}  // namespace figma
