// JSON put together as text, without a value in between: where parts of it are JSON already, or it is large. What is
// begun is ended in its order by end(), or all of it by text() and ending(). For small values see wire/json.h.
//
//   JsonWriter json;
//   json.object().add("id", id).add("seconds", std::optional<int>()).raw("result", result).array("tags").add("new");
//   json.text()   {"id":"...","seconds":null,"result":{...},"tags":["new"]}
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace plugfleet {

class JsonWriter {
 public:
  // The whole, or an item of an array. Names are literals of ASCII without quotes and backslashes.
  JsonWriter& object() { return begin('{', '}'); }
  JsonWriter& array() { return begin('[', ']'); }
  // A member of an object.
  JsonWriter& object(std::string_view name) { return named(name).begin('{', '}'); }
  JsonWriter& array(std::string_view name) { return named(name).begin('[', ']'); }
  JsonWriter& end();

  // A value, as an item or a member. Of a text, bytes that are not UTF-8 become U+FFFD.
  JsonWriter& add(std::string_view value);
  JsonWriter& add(const char* value) { return add(std::string_view(value)); }
  JsonWriter& add(const std::string& value) { return add(std::string_view(value)); }
  JsonWriter& add(bool value) { return raw(value ? "true" : "false"); }
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  JsonWriter& add(T value) {
    return raw(std::string_view(fmt::format_int(value).str()));
  }
  template <class T>
  JsonWriter& add(const std::optional<T>& value) {
    return value ? add(*value) : raw("null");
  }
  template <class T>
  JsonWriter& add(std::string_view name, const T& value) {
    return named(name).add(value);
  }

  // JSON, which is not looked at.
  JsonWriter& raw(std::string_view json);
  JsonWriter& raw(std::string_view name, std::string_view json) { return named(name).raw(json); }
  // The members of an object that is JSON already.
  JsonWriter& members(std::string_view object);
  // A text that needs no escape, Base64 say: it is not looked at.
  JsonWriter& plain(std::string_view name, std::string_view text);

  // A text that needs no escape and begins so: the rest of it follows what has been written so far, and ending() that.
  JsonWriter& open_text(std::string_view name, std::string_view beginning);

  const std::string& so_far() const { return out_; }
  // What ends all that is open.
  std::string ending() const;
  // All of it, ended. Nothing can be written any more.
  std::string text() &&;

 private:
  JsonWriter& begin(char opening, char closing);
  JsonWriter& named(std::string_view name);
  void separate();

  std::string out_;
  std::string open_;       // what ends each that is open, the outermost first
  bool first_ = true;      // in what was begun last
  bool has_name_ = false;  // what comes next is this member's value
};

}  // namespace plugfleet
