#include "wire/json.h"

#include <jansson.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/utf8.h"

namespace plugfleet {
namespace {

json_t* checked(json_t* value) {
  if (!value) throw std::bad_alloc();
  return value;
}

}  // namespace

Json::Json() : value_(json_null()) {}
Json::Json(bool value) : value_(json_boolean(value)) {}
Json::Json(double value) : value_(std::isfinite(value) ? checked(json_real(value)) : json_null()) {}
Json::Json(std::string_view value) : value_(json_stringn(value.data(), value.size())) {
  if (!value_) {
    const std::string text = utf8_repaired(value);
    value_ = checked(json_stringn(text.data(), text.size()));
  }
}
Json Json::from_integer(std::int64_t value) { return Json(checked(json_integer(value))); }

Json Json::object(std::initializer_list<std::pair<std::string_view, Json>> members) {
  Json value(checked(json_object()));
  for (const auto& [key, member] : members) value.set(key, member);
  return value;
}

Json Json::array(std::vector<Json> items) {
  Json value(checked(json_array()));
  for (Json& item : items) value.push(std::move(item));
  return value;
}

std::optional<Json> Json::parse(std::string_view text) {
  json_error_t error;
  json_t* const value = json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
  if (!value) return std::nullopt;
  return Json(value);
}

Json::Json(const Json& other) : value_(json_incref(other.value_)) {}
Json::Json(Json&& other) noexcept : value_(std::exchange(other.value_, json_null())) {}
Json& Json::operator=(Json other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}
Json::~Json() { json_decref(value_); }

void Json::update(const Json& members) { json_object_update(value_, members.value_); }

void Json::set(std::string_view key, Json value) {
  json_object_setn_new(value_, key.data(), key.size(), std::exchange(value.value_, json_null()));
}
void Json::push(Json value) { json_array_append_new(value_, std::exchange(value.value_, json_null())); }

Json Json::operator[](std::string_view key) const {
  json_t* const found = json_object_getn(value_, key.data(), key.size());
  return found ? Json(json_incref(found)) : Json();
}
Json Json::at(std::size_t index) const {
  json_t* const found = json_array_get(value_, index);
  return found ? Json(json_incref(found)) : Json();
}
std::size_t Json::size() const { return json_is_array(value_) ? json_array_size(value_) : json_object_size(value_); }
bool Json::is_null() const { return json_is_null(value_); }
bool Json::is_object() const { return json_is_object(value_); }

std::optional<std::string_view> Json::string() const {
  if (!json_is_string(value_)) return std::nullopt;
  return std::string_view(json_string_value(value_), json_string_length(value_));
}
std::optional<std::int64_t> Json::integer() const {
  if (!json_is_integer(value_)) return std::nullopt;
  return json_integer_value(value_);
}
std::optional<double> Json::number() const {
  if (!json_is_number(value_)) return std::nullopt;
  return json_number_value(value_);
}
std::optional<bool> Json::boolean() const {
  if (!json_is_boolean(value_)) return std::nullopt;
  return json_is_true(value_);
}

std::string Json::dump() const {
  std::string out;
  const auto append = [](const char* text, std::size_t size, void* to) {
    static_cast<std::string*>(to)->append(text, size);
    return 0;
  };
  if (json_dump_callback(value_, append, &out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) != 0)
    throw std::bad_alloc();
  return out;
}

}  // namespace plugfleet
