#include "wire/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/utf8.h"

namespace plugfleet {
namespace {

constexpr const char* kLossy = "must not hold a NUL or half of a character (a lone surrogate)";

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
  const std::size_t count = utf8_count(target);
  if (count < rule.length_min || count > rule.length_max) {
    return complain(path, rule.length_max == SIZE_MAX ? fmt::format("must have at least {} characters", rule.length_min)
                                                      : fmt::format("must have {} to {} characters, not {}",
                                                                    rule.length_min, rule.length_max, count));
  }
  if (rule.accepts && !rule.accepts(target)) complain(path, rule.complaint);
}

void FieldReader::take(const JsonView& value, const std::string& path, LargeText& target, const Rule& rule) {
  if (value.type() != JsonView::Type::string) return complain(path, "must be a string");
  if (!value.exact()) return complain(path, kLossy);
  if (!value.plain()) target.unescaped = std::make_shared<const std::string>(value.text());
  target.text = value.plain() ? value.raw() : std::string_view(*target.unescaped);
  if (target.text.size() < rule.length_min) return complain(path, "must not be empty");
  if (rule.accepts && !rule.accepts(target.text)) complain(path, rule.complaint);
}

void FieldReader::take(const JsonView& value, const std::string& path, bool& target, const Rule&) {
  if (value.type() != JsonView::Type::boolean) return complain(path, "must be true or false");
  target = value.boolean();
}

void FieldReader::take(const JsonView& value, const std::string& path, std::int64_t& target, const Rule& rule) {
  if (value.type() != JsonView::Type::number || std::trunc(value.number()) != value.number()) {
    return complain(path, "must be a whole number");
  }
  if (!value.integer() || value.number() < rule.least || value.number() > rule.most) {
    return complain(path, fmt::format("must be between {} and {}", rule.least, rule.most));
  }
  target = *value.integer();
}

void FieldReader::take(const JsonView& value, const std::string& path, double& target, const Rule& rule) {
  if (value.type() != JsonView::Type::number) return complain(path, "must be a number");
  target = value.number();
  if (target < rule.least || target > rule.most) {
    complain(path, fmt::format("must be between {} and {}", rule.least, rule.most));
  }
}

void throw_unprocessable(std::vector<Detail> wrong) {
  std::string message = wrong.front().field.empty() ? wrong.front().message
                                                    : fmt::format("{} {}", wrong.front().field, wrong.front().message);
  if (wrong.size() > 1) message += fmt::format(", and {} more", wrong.size() - 1);
  throw Failure(Kind::unprocessable, std::move(message)).details(std::move(wrong));
}

}  // namespace plugfleet
