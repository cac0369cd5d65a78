#include "wire/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "base/utf8.h"

namespace plugfleet {
namespace {

constexpr const char* kLossy = "must not hold a NUL or half of a character (a lone surrogate)";

// What is wrong with it; empty where nothing is.
std::string complaint_of_words(std::string_view text, const Rule& rule) {
  if (!rule.contains.empty() && !text.contains(rule.contains))
    return rule.complaint.empty() ? fmt::format("must contain {}", rule.contains) : std::string(rule.complaint);
  if (!rule.one_of.empty() && std::ranges::find(rule.one_of, text) == rule.one_of.end())
    return rule.complaint.empty() ? fmt::format("must be one of {}", fmt::join(rule.one_of, ", "))
                                  : std::string(rule.complaint);
  return {};
}

std::string complaint_of_text(std::string_view text, const Rule& rule) {
  const std::size_t count = utf8_count(text);
  if (count < rule.length_min || count > rule.length_max) {
    return rule.length_max == SIZE_MAX
               ? fmt::format("must have at least {} characters", rule.length_min)
               : fmt::format("must have {} to {} characters, not {}", rule.length_min, rule.length_max, count);
  }
  return complaint_of_words(text, rule);
}

bool within(double number, const Rule& rule) { return number >= rule.least && number <= rule.most; }

}  // namespace

std::string field_path(std::string_view parent, std::string_view name) {
  return parent.empty() ? std::string(name) : fmt::format("{}.{}", parent, name);
}
std::string field_path(std::string_view parent, std::size_t index) { return fmt::format("{}[{}]", parent, index); }

FieldReader::FieldReader(const JsonView& view, std::string path, std::vector<Detail>& wrong)
    : view_(view), path_(std::move(path)), wrong_(wrong) {}

void FieldReader::complain(const std::string& path, std::string message) {
  if (wrong_.size() < kDetailsMax) wrong_.push_back({path, std::move(message)});
}

void FieldReader::finish() {
  if (ignore_others_) return;
  for (const std::string_view key : view_.keys()) {
    if (std::ranges::find(named_, key) == named_.end()) {
      complain(field_path(path_, utf8_prefix(key, 64)), "is not a field of this request");
    }
  }
}

bool FieldReader::check_items(const JsonView& value, const std::string& path, const Rule& rule) {
  const std::size_t count = value.items().size();
  if (count >= rule.items_min && count <= rule.items_max) return true;
  complain(path, fmt::format("must have {} to {} items, not {}", rule.items_min, rule.items_max, count));
  return false;
}

void FieldReader::take(const JsonView& value, const std::string& path, std::string& target, const Rule& rule) {
  if (value.type() != JsonView::Type::string) return complain(path, "must be a string");
  if (!value.exact() && !rule.mended) return complain(path, kLossy);
  target = value.text();
  std::string complaint = complaint_of_text(target, rule);
  if (!complaint.empty()) complain(path, std::move(complaint));
}

void FieldReader::take(const JsonView& value, const std::string& path, LargeText& target, const Rule& rule) {
  if (value.type() != JsonView::Type::string) return complain(path, "must be a string");
  if (!value.exact()) return complain(path, kLossy);
  if (!value.plain()) target.unescaped = std::make_shared<const std::string>(value.text());
  target.text = value.plain() ? value.raw() : std::string_view(*target.unescaped);
  if (target.text.size() < rule.length_min) return complain(path, "must not be empty");
  std::string complaint = complaint_of_words(target.text, rule);
  if (!complaint.empty()) complain(path, std::move(complaint));
}

void FieldReader::take(const JsonView& value, const std::string& path, bool& target, const Rule&) {
  if (value.type() != JsonView::Type::boolean) return complain(path, "must be true or false");
  target = value.boolean();
}

void FieldReader::take(const JsonView& value, const std::string& path, std::int64_t& target, const Rule& rule) {
  if (value.type() != JsonView::Type::number || std::trunc(value.number()) != value.number()) {
    return complain(path, "must be a whole number");
  }
  if (!value.integer() || !within(value.number(), rule)) {
    return complain(path, fmt::format("must be between {} and {}", rule.least, rule.most));
  }
  target = *value.integer();
}

void FieldReader::take(const JsonView& value, const std::string& path, double& target, const Rule& rule) {
  if (value.type() != JsonView::Type::number) return complain(path, "must be a number");
  target = value.number();
  if (!within(target, rule)) {
    complain(path, fmt::format("must be between {} and {}", rule.least, rule.most));
  }
}

namespace {

// None where a text in it is not exact, or a number is out of a double's range.
std::optional<Json> copied(const JsonView& view) {
  switch (view.type()) {
    case JsonView::Type::null:
      return Json();
    case JsonView::Type::boolean:
      return Json(view.boolean());
    case JsonView::Type::number:
      if (!std::isfinite(view.number())) return std::nullopt;
      return view.integer() ? Json(*view.integer()) : Json(view.number());
    case JsonView::Type::string:
      return view.exact() ? std::optional(Json(view.text())) : std::nullopt;
    case JsonView::Type::array:
    case JsonView::Type::object:
      break;
  }
  const bool list = view.type() == JsonView::Type::array;
  Json whole = list ? Json::array() : Json::object();
  for (std::size_t i = 0; i < view.items().size(); ++i) {
    auto item = copied(view.items()[i]);
    if (!item) return std::nullopt;
    list ? whole.push(*std::move(item)) : whole.set(view.keys()[i], *std::move(item));
  }
  return whole;
}

}  // namespace

void FieldReader::take(const JsonView& value, const std::string& path, Json& target, const Rule&) {
  auto copy = copied(value);
  if (!copy) return complain(path, "must not hold a NUL, half of a character or a number out of range");
  target = *std::move(copy);
}

// ---- A query -------------------------------------------------------------------------------------------------------

const QueryReader::Pairs::value_type* QueryReader::find(std::string_view name) const {
  const auto found = std::ranges::find(pairs_, name, &Pairs::value_type::first);
  return found == pairs_.end() ? nullptr : &*found;
}

void QueryReader::complain(std::string_view name, std::string message) {
  if (wrong_.size() < kDetailsMax) wrong_.push_back({std::string(name), std::move(message)});
}

void QueryReader::take(std::string_view name, const std::string& text, std::string& target, const Rule& rule) {
  target = text;
  std::string complaint = complaint_of_text(target, rule);
  if (!complaint.empty()) complain(name, std::move(complaint));
}

void QueryReader::take(std::string_view name, const std::string& text, bool& target, const Rule&) {
  if (text != "true" && text != "false") return complain(name, "must be true or false");
  target = text == "true";
}

namespace {

// "must be a whole number from 1 to 365"
std::string number_wanted(std::string_view what, const Rule& rule) {
  if (rule.least == -kAnyNumber && rule.most == kAnyNumber) return fmt::format("must be {}", what);
  return fmt::format("must be {} from {} to {}", what, rule.least, rule.most);
}

}  // namespace

void QueryReader::take(std::string_view name, const std::string& text, std::int64_t& target, const Rule& rule) {
  const auto number = number_in<std::int64_t>(text);
  if (!number || !within(static_cast<double>(*number), rule))
    return complain(name, number_wanted("a whole number", rule));
  target = *number;
}

void QueryReader::take(std::string_view name, const std::string& text, double& target, const Rule& rule) {
  const auto number = number_in<double>(text);
  if (!number || !std::isfinite(*number) || !within(*number, rule))
    return complain(name, number_wanted("a number", rule));
  target = *number;
}

namespace {

[[noreturn]] void throw_wrong(FailureKind kind, std::vector<Detail> wrong) {
  std::string message = wrong.front().field.empty() ? wrong.front().message
                                                    : fmt::format("{} {}", wrong.front().field, wrong.front().message);
  if (wrong.size() > 1) message += fmt::format(", and {} more", wrong.size() - 1);
  throw Failure(kind, std::move(message)).details(std::move(wrong));
}

}  // namespace

void throw_unprocessable(std::vector<Detail> wrong) { throw_wrong(FailureKind::unprocessable, std::move(wrong)); }
void throw_wrong_query(std::vector<Detail> wrong) { throw_wrong(FailureKind::invalid_request, std::move(wrong)); }

}  // namespace plugfleet
