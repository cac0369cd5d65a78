#include "wire/json_documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <optional>

#include "base/utf8.h"
#include "wire/json.h"

namespace plugfleet {
namespace {

constexpr std::size_t kNodesMax = 200'000, kDepthMax = 64;
constexpr std::string_view kSpace = " \t\r\n", kReplacement = "\\ufffd";

// The four digits of the \u escape that `text` begins with.
std::optional<unsigned> unit_at(std::string_view text) {
  unsigned unit = 0;
  if (!text.starts_with("\\u") || text.size() < 6) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + 6, unit, 16);
  return error == std::errc() && end == text.data() + 6 ? std::optional(unit) : std::nullopt;
}

bool is_high(std::optional<unsigned> unit) { return unit && *unit >= 0xD800 && *unit < 0xDC00; }
bool is_low(std::optional<unsigned> unit) { return unit && *unit >= 0xDC00 && *unit < 0xE000; }

// A string's text between its quotes as JSON would have it.
std::string mended(std::string_view raw) {
  std::string out;
  const auto take = [&](std::size_t size) {
    out += raw.substr(0, size);
    raw.remove_prefix(size);
  };
  const auto replace = [&](std::size_t size, std::string_view by) {
    out += by;
    raw.remove_prefix(std::min(size, raw.size()));
  };
  while (!raw.empty()) {
    const std::size_t length = utf8_length(raw);
    if (length == 0) {
      replace(1, kReplacement);
    } else if (static_cast<unsigned char>(raw[0]) < 0x20) {
      replace(1, fmt::format("\\u{:04x}", raw[0]));
    } else if (raw[0] != '\\') {
      take(length);
    } else if (const auto unit = unit_at(raw); is_high(unit) && is_low(unit_at(raw.substr(6)))) {
      take(12);
    } else if (unit) {
      is_high(unit) || is_low(unit) ? replace(6, kReplacement) : take(6);
    } else if (raw.size() > 1 && std::string_view("\"\\/bfnrt").contains(raw[1])) {
      take(2);
    } else {
      replace(1, "");  // an escape that JSON does not have stands for what follows it
    }
  }
  return out;
}

}  // namespace

struct JsonSalvager {
  std::span<char> text;
  std::size_t at = 0, nodes = 0;

  std::string_view rest() const { return {text.data() + at, text.size() - at}; }
  bool is_at(std::string_view what) const { return rest().starts_with(what); }
  void skip(std::size_t size) { at += std::min(size, rest().size()); }
  void skip_space() { skip(rest().find_first_not_of(kSpace)); }
  void skip_line() { skip(rest().find_first_of("\r\n")); }

  // Each false: there is none, or it is not whole.
  bool value(JsonView& into, std::size_t depth) {
    if (++nodes > kNodesMax || depth > kDepthMax) return false;
    skip_space();
    if (is_at("{")) return members(into, depth);
    if (is_at("[")) return items(into, depth);
    if (!is_at("\"")) return word(into);
    into.type_ = JsonView::Type::string;
    return string(into.raw_, into.escaped_);
  }

 private:
  bool string(std::string_view& raw, bool& escaped) {
    const std::string_view from = rest().substr(1);
    std::size_t end = 0;
    for (;; ++end) {
      end = from.find('"', end);
      if (end == from.npos) return false;
      std::size_t backslashes = 0;
      while (backslashes < end && from[end - backslashes - 1] == '\\') ++backslashes;
      if (backslashes % 2 == 0) break;
    }
    raw = from.substr(0, end);
    escaped = raw.contains('\\');
    skip(end + 2);
    return true;
  }

  // What comes before `close`, one after another.
  template <class One>
  bool each(char close, const One& one) {
    for (skip(1);;) {
      skip_space();
      if (rest().empty()) return false;
      if (text[at] == ',' || text[at] == close) {
        if (text[at++] == close) return true;
      } else if (!one()) {
        return false;
      }
    }
  }

  bool items(JsonView& into, std::size_t depth) {
    into.type_ = JsonView::Type::array;
    return each(']', [&] { return value(into.items_.emplace_back(), depth + 1); });
  }

  bool members(JsonView& into, std::size_t depth) {
    into.type_ = JsonView::Type::object;
    const bool whole = each('}', [&] {
      std::string_view name;
      bool escaped = false;
      if (!is_at("\"") || !string(name, escaped)) return false;
      skip_space();
      if (!is_at(":")) return false;
      skip(1);
      into.keys_.push_back(escaped ? without_escapes(name) : name);
      return value(into.items_.emplace_back(), depth + 1);
    });
    std::ranges::reverse(into.keys_);  // JsonView finds the first of twins
    std::ranges::reverse(into.items_);
    return whole;
  }

  std::string_view without_escapes(std::string_view name) {
    const auto plain = Json::parse(fmt::format("\"{}\"", mended(name)));
    const std::string_view said = plain ? plain->string().value_or(name) : name;
    if (said.size() > name.size()) return name;
    char* const place = text.data() + (name.data() - text.data());
    std::memcpy(place, said.data(), said.size());
    return {place, said.size()};
  }

  bool word(JsonView& into) {
    const std::string_view said = rest().substr(0, rest().find_first_of(" \t\r\n,:[]{}\""));
    if (said.empty()) return false;
    skip(said.size());
    const char *const begin = said.data(), *const end = begin + said.size();
    double number = 0;
    std::int64_t integer = 0;
    if (said == "true" || said == "false") {
      into.type_ = JsonView::Type::boolean;
      into.raw_ = said;
    } else if (std::from_chars(begin, end, number).ptr == end && std::isfinite(number)) {
      into.type_ = JsonView::Type::number;
      into.number_ = number;
      const auto whole = std::from_chars(begin, end, integer);
      if (whole.ec == std::errc() && whole.ptr == end) into.integer_ = integer;
    }
    return true;
  }
};

std::vector<JsonView> read_json_documents(std::span<char> text) {
  std::vector<JsonView> documents;
  JsonSalvager from{text};
  if (from.is_at("\xEF\xBB\xBF")) from.skip(3);
  for (;;) {
    from.skip_space();
    if (from.is_at("data:")) {
      from.skip(5);
      from.skip_space();
    }
    JsonView document;
    if (from.is_at(":") || from.is_at("event:") || from.is_at("id:") || from.is_at("retry:") || from.is_at("[DONE]")) {
      from.skip_line();
    } else if ((!from.is_at("{") && !from.is_at("[")) || !from.value(document, 1)) {
      return documents;
    } else if (document.type() == JsonView::Type::object) {
      documents.push_back(std::move(document));
    } else {
      std::ranges::copy_if(document.items(), std::back_inserter(documents),
                           [](const JsonView& item) { return item.type() == JsonView::Type::object; });
    }
  }
}

std::string readable_text(const JsonView& value) {
  if (value.type() != JsonView::Type::string) return {};
  if (value.plain() && is_utf8(value.raw())) return std::string(value.raw());
  const auto text = Json::parse(fmt::format("\"{}\"", mended(value.raw())));
  return std::string(text ? text->string().value_or("") : "");
}

}  // namespace plugfleet
