// JSON that we write, and small JSON that we read: a value, cheap to copy. (jansson, included in json.cc alone.)
// What a client or a provider sends is read with wire/json_view, which copies nothing and names the field at fault.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct json_t;

namespace plugfleet {

class Json {
 public:
  Json();  // null
  Json(std::nullptr_t) : Json() {}
  Json(bool value);
  Json(double value);            // no number where the value is not finite: null
  Json(std::string_view value);  // bytes that are not UTF-8 become U+FFFD
  Json(const char* value) : Json(std::string_view(value)) {}
  Json(const std::string& value) : Json(std::string_view(value)) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  Json(T value) : Json(from_integer(static_cast<std::int64_t>(value))) {}
  template <class T>
  Json(const std::optional<T>& value) : Json(value ? Json(*value) : Json()) {}

  static Json object(std::initializer_list<std::pair<std::string_view, Json>> members = {});
  static Json array(std::vector<Json> items = {});

  // Empty where `text` is not JSON, nests deeper than jansson allows (2,048), or names a member twice.
  static std::optional<Json> parse(std::string_view text);

  Json(const Json& other);
  Json(Json&& other) noexcept;
  Json& operator=(Json other) noexcept;
  ~Json();

  // Building. A copy shares what it copies: build, then leave it be.
  void set(std::string_view key, Json value);
  void push(Json value);
  void update(const Json& members);  // sets each of an object's; nothing where it is none

  // Reading. A member or item that is not there is null.
  Json operator[](std::string_view key) const;
  Json at(std::size_t index) const;
  std::size_t size() const;  // members or items; 0 for anything else
  bool is_null() const;
  bool is_object() const;
  std::optional<std::string_view> string() const;  // a view into this value
  std::optional<std::int64_t> integer() const;
  std::optional<double> number() const;
  std::optional<bool> boolean() const;

  std::string dump() const;  // compact, members in the order they were set

 private:
  explicit Json(json_t* taken) : value_(taken) {}
  static Json from_integer(std::int64_t value);

  json_t* value_;
};

}  // namespace plugfleet
