// JSON that others send us, as a tree over their bytes: nothing is copied, a string without escapes is a view into the
// text. (simdjson finds the structure; it is included in json_view.cc alone.) The text must outlive the tree.
//
// All JSON is taken (RFC 8259), whatever its numbers and escapes stand for: who reads a value judges it. But it is
// bounded: at most nodes_max values and depth_max levels, and no member twice, however its name is spelt.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/json_string.h"

namespace plugfleet {

// Bytes that must be readable (with any content) after the text of JsonDocument::parse.
inline constexpr std::size_t kJsonPadding = 64;

class JsonView {
 public:
  enum class Type : std::uint8_t { null, boolean, number, string, array, object };

  Type type() const { return type_; }

  // Strings: the text between the quotes as it was sent, escapes and all.
  std::string_view raw() const { return raw_; }
  // The same with its escapes resolved; U+FFFD for what no text that is kept may hold.
  std::string text() const { return plain() ? std::string(raw_) : unescaped(raw_); }
  bool plain() const { return escapes_ == Escapes::none; }  // text() is raw()
  bool exact() const { return escapes_ < Escapes::lossy; }  // text() has no such U+FFFD

  bool boolean() const { return raw_ == "true"; }
  double number() const { return number_; }  // infinite where it is out of a double's range
  // The number, where it is one without a fraction in an int64's range (as 1.0 is).
  std::optional<std::int64_t> integer() const { return integer_; }

  const JsonView* find(std::string_view key) const;              // a member; null where there is none
  const std::vector<JsonView>& items() const { return items_; }  // an array's items, or an object's members' values
  const std::vector<std::string_view>& keys() const { return keys_; }

 private:
  friend struct JsonBuilder;
  friend struct JsonSalvager;  // json_documents.cc

  Type type_ = Type::null;
  Escapes escapes_ = Escapes::none;
  double number_ = 0;
  std::optional<std::int64_t> integer_;
  std::string_view raw_;
  std::vector<JsonView> items_;
  std::vector<std::string_view> keys_;
  std::shared_ptr<std::deque<std::string>> unescaped_keys_;  // where keys_ look that were sent with escapes
};

struct JsonLimits {
  std::size_t nodes_max = 50'000;
  std::size_t depth_max = 32;
};

// `text` followed by kJsonPadding readable bytes. What is wrong comes back as a sentence for the sender.
std::expected<JsonView, std::string> parse_json_view(std::string_view text, JsonLimits limits = {});

}  // namespace plugfleet
