#include "wire/json_documents.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/text.h"
#include "base/utf8.h"
#include "wire/json_string.h"

namespace plugfleet {
namespace {

constexpr std::size_t kNodesMax = 200'000, kDepthMax = 64;
constexpr std::string_view kSpace = " \t\r\n";

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
    if (!string(into.raw_)) return false;
    into.escapes_ = escapes_in(into.raw_);
    return true;
  }

 private:
  bool string(std::string_view& raw) {
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
      if (!is_at("\"") || !string(name)) return false;
      skip_space();
      if (!is_at(":")) return false;
      skip(1);
      into.keys_.push_back(name.contains('\\') ? without_escapes(name) : name);
      return value(into.items_.emplace_back(), depth + 1);
    });
    std::ranges::reverse(into.keys_);  // JsonView finds the first of twins
    std::ranges::reverse(into.items_);
    return whole;
  }

  std::string_view without_escapes(std::string_view name) {
    const std::string said = unescaped(name);
    char* const place = text.data() + (name.data() - text.data());
    std::ranges::copy(said, place);
    return {place, said.size()};
  }

  bool word(JsonView& into) {
    const std::string_view said = rest().substr(0, rest().find_first_of(" \t\r\n,:[]{}\""));
    if (said.empty()) return false;
    skip(said.size());
    if (said == "true" || said == "false") {
      into.type_ = JsonView::Type::boolean;
      into.raw_ = said;
    } else if (const auto number = number_in<double>(said); number && std::isfinite(*number)) {
      into.type_ = JsonView::Type::number;
      into.number_ = *number;
      into.integer_ = number_in<std::int64_t>(said);
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
  std::string text = value.text();
  return is_utf8(text) ? text : utf8_repaired(text);
}

}  // namespace plugfleet
