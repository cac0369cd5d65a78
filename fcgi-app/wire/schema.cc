#include "wire/schema.h"

#include <cmath>

namespace plugfleet {
namespace {

void set_bound(Json& schema, std::string_view name, std::size_t value, std::size_t unsaid) {
  if (value != unsaid) schema.set(name, static_cast<std::int64_t>(value));
}

// 365 and not 365.0, where it is whole.
Json number(double value) {
  const bool whole = std::trunc(value) == value && std::abs(value) < 1e15;
  return whole ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

// ECMA-262's: every character of it stands for itself.
std::string as_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (std::string_view("^$\\.*+?()[]{}|/").contains(c)) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace

Json FieldSchema::typed(std::string_view type, bool also_null) {
  const Json said = also_null ? Json::array({Json(type), Json("null")}) : Json(type);
  return Json::object({{"type", said}});
}

Json FieldSchema::of_list(Json items, const Rule& rule, bool also_null) {
  Json schema = typed("array", also_null);
  schema.set("items", std::move(items));
  set_bound(schema, "minItems", rule.items_min, 0);
  set_bound(schema, "maxItems", rule.items_max, SIZE_MAX);
  return schema;
}

Json FieldSchema::of_number(std::string_view type, const Rule& rule, bool also_null) {
  Json schema = typed(type, also_null);
  if (rule.least != -kAnyNumber) schema.set("minimum", number(rule.least));
  if (rule.most != kAnyNumber) schema.set("maximum", number(rule.most));
  return schema;
}

Json FieldSchema::of_text(const Rule& rule, bool also_null) {
  Json schema = typed("string", also_null);
  set_bound(schema, "minLength", rule.length_min, 0);
  set_bound(schema, "maxLength", rule.length_max, SIZE_MAX);
  if (!rule.contains.empty()) schema.set("pattern", as_pattern(rule.contains));
  if (!rule.format.empty()) schema.set("format", rule.format);
  if (!rule.one_of.empty()) {
    Json words = Json::array();
    for (const std::string_view word : rule.one_of) words.push(word);
    if (also_null) words.push(nullptr);
    schema.set("enum", std::move(words));
  }
  return schema;
}

void FieldSchema::add(std::string_view name, Json schema, bool required) {
  properties_.set(name, std::move(schema));
  if (required) required_.push(name);
}

Json FieldSchema::object(bool also_null) const {
  Json schema = typed("object", also_null);
  schema.set("properties", properties_);
  if (required_.size() > 0) schema.set("required", required_);
  if (side_ == Side::taken && !open_) schema.set("additionalProperties", false);
  return schema;
}

std::string schema_name(std::string_view type) {
  std::string name;
  while (!type.empty()) {
    bool skipped = false;
    for (const std::string_view part : {"(anonymous namespace)::", "{anonymous}::", "plugfleet::"}) {
      if (!type.starts_with(part)) continue;
      type.remove_prefix(part.size());
      skipped = true;
    }
    if (skipped) continue;
    const char c = type.front();
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (type.starts_with("::")) {
      name += '.';
      type.remove_prefix(1);
    } else {
      name += letter ? c : '_';
    }
    type.remove_prefix(1);
  }
  while (name.ends_with('_')) name.pop_back();
  return name;
}

}  // namespace plugfleet
