#include "wire/json_view.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "base/utf8.h"

namespace plugfleet {

namespace ondemand = simdjson::ondemand;

namespace {

constexpr const char* kInvalid = "the body is not valid JSON";
constexpr std::size_t kKeptParserMax = 256 * 1024;

struct Refused {
  std::string why;
};

// RFC 8259, section 6.
bool is_number(std::string_view text) {
  const auto skip_one_of = [&text](std::string_view letters) {
    const bool there = !text.empty() && letters.contains(text.front());
    if (there) text.remove_prefix(1);
    return there;
  };
  const auto skip_digits = [&text] {
    const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count > 0;
  };
  skip_one_of("-");
  if (!skip_one_of("0") && !skip_digits()) return false;
  if (skip_one_of(".") && !skip_digits()) return false;
  if (skip_one_of("eE")) {
    skip_one_of("+-");
    if (!skip_digits()) return false;
  }
  return text.empty();
}

Escapes checked_escapes(std::string_view raw) {
  const Escapes escapes = escapes_in(raw);
  if (escapes == Escapes::unknown) throw Refused{"a string holds a broken escape"};
  return escapes;
}

}  // namespace

struct JsonBuilder {
  JsonLimits limits;
  const char* end;
  std::size_t nodes = 0;

  JsonView build(ondemand::value value, std::size_t depth) {
    if (++nodes > limits.nodes_max) throw Refused{"the body holds too many values"};
    if (depth > limits.depth_max) throw Refused{"the body is nested too deeply"};
    JsonView view;
    switch (value.type()) {
      case ondemand::json_type::object:
        view.type_ = JsonView::Type::object;
        for (auto result : value.get_object()) {
          add_key(view, result.key());
          view.items_.push_back(build(result.value(), depth + 1));
        }
        refuse_twins(view.keys_);
        break;
      case ondemand::json_type::array:
        view.type_ = JsonView::Type::array;
        for (auto item : value.get_array()) view.items_.push_back(build(item.value(), depth + 1));
        break;
      case ondemand::json_type::string:
        view.type_ = JsonView::Type::string;
        take_string(view, value);
        break;
      case ondemand::json_type::number:
        view.type_ = JsonView::Type::number;
        take_number(view, value);
        break;
      case ondemand::json_type::boolean:
        view.type_ = JsonView::Type::boolean;
        view.raw_ = value.get_bool() ? "true" : "false";
        break;
      case ondemand::json_type::null:
        if (!value.is_null()) throw Refused{kInvalid};
        break;
      default:
        throw Refused{kInvalid};
    }
    return view;
  }

 private:
  // The text between the quotes of the string token at `begin` (just past its opening quote). simdjson's first pass has
  // seen to it that the string ends, is valid UTF-8 and holds no control character.
  static std::string_view string_at(const char* begin, const char* limit) {
    const char* at = begin;
    for (;;) {
      const auto* const quote = static_cast<const char*>(std::memchr(at, '"', static_cast<std::size_t>(limit - at)));
      if (!quote) throw Refused{kInvalid};
      const char* backslashes = quote;
      while (backslashes > begin && backslashes[-1] == '\\') --backslashes;
      if ((quote - backslashes) % 2 == 0) return {begin, static_cast<std::size_t>(quote - begin)};
      at = quote + 1;
    }
  }

  void take_string(JsonView& view, ondemand::value& value) const {
    const std::string_view token = value.raw_json_token();
    view.raw_ = string_at(token.data() + 1, token.data() + token.size());
    view.escapes_ = checked_escapes(view.raw_);
  }

  void add_key(JsonView& view, ondemand::raw_json_string key) const {
    const std::string_view raw = string_at(key.raw(), end);
    if (checked_escapes(raw) == Escapes::none) {
      view.keys_.push_back(raw);
      return;
    }
    if (!view.unescaped_keys_) view.unescaped_keys_ = std::make_shared<std::deque<std::string>>();
    view.keys_.push_back(view.unescaped_keys_->emplace_back(unescaped_exactly(raw)));
  }

  // simdjson (3.0.1) refuses what neither 64 bits nor a double can hold, and takes a double of 20 digits for 0.
  static void take_number(JsonView& view, ondemand::value& value) {
    std::string token(value.raw_json_token());
    token.erase(token.find_last_not_of(" \t\r\n") + 1);
    if (!is_number(token)) throw Refused{kInvalid};
    view.number_ = std::strtod(token.c_str(), nullptr);
    constexpr double kExact = 0x1p53;  // up to here a double counts in ones
    if (const auto integer = number_in<std::int64_t>(token)) {
      view.integer_ = integer;
    } else if (std::abs(view.number_) <= kExact && std::trunc(view.number_) == view.number_) {
      view.integer_ = static_cast<std::int64_t>(view.number_);
    }
  }

  static void refuse_twins(std::vector<std::string_view> keys) {
    std::sort(keys.begin(), keys.end());
    const auto twin = std::adjacent_find(keys.begin(), keys.end());
    if (twin == keys.end()) return;
    throw Refused{fmt::format("the member \"{}\" stands twice in one object", utf8_prefix(*twin, 64))};
  }
};

const JsonView* JsonView::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == key) return &items_[i];
  }
  return nullptr;
}

std::expected<JsonView, std::string> parse_json_view(std::string_view text, JsonLimits limits) {
  thread_local ondemand::parser kept;  // spares small bodies an allocation; a large one gives its memory back
  ondemand::parser large;
  ondemand::parser& parser = text.size() <= kKeptParserMax ? kept : large;
  try {
    JsonBuilder builder{limits, text.data() + text.size()};
    ondemand::document document = parser.iterate(text.data(), text.size(), text.size() + kJsonPadding);
    // simdjson makes no value of a scalar document; no caller wants one either.
    const auto type = document.type().value();
    if (type != ondemand::json_type::object && type != ondemand::json_type::array) {
      return std::unexpected("the body must be a JSON object or array");
    }
    JsonView view = builder.build(document.get_value(), 1);
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
      return std::unexpected("something follows the JSON");
    return view;
  } catch (const Refused& refused) {
    return std::unexpected(refused.why);
  } catch (const simdjson::simdjson_error&) {
    return std::unexpected(kInvalid);
  }
}

}  // namespace plugfleet
