#include "wire/json_view.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "base/utf8.h"
#include "wire/json.h"

namespace plugfleet {

namespace ondemand = simdjson::ondemand;

namespace {

constexpr const char* kInvalid = "the body is not valid JSON";
constexpr std::size_t kKeptParserMax = 256 * 1024;

struct Refused {
  std::string why;
};

// jansson knows the escapes; empty for a broken one, and for a NUL, which no text column could hold.
std::optional<std::string> unescaped(std::string_view raw) {
  const auto parsed = Json::parse(fmt::format("\"{}\"", raw));
  if (!parsed || !parsed->string()) return std::nullopt;
  return std::string(*parsed->string());
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
          view.keys_.push_back(key_of(result.key()));
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
      case ondemand::json_type::number: {
        view.type_ = JsonView::Type::number;
        const ondemand::number number = value.get_number();
        view.number_ = number.is_double()  ? number.get_double()
                       : number.is_int64() ? static_cast<double>(number.get_int64())
                                           : static_cast<double>(number.get_uint64());
        if (number.is_int64()) view.integer_ = number.get_int64();
        break;
      }
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
    view.escaped_ = view.raw_.find('\\') != view.raw_.npos;
    if (view.escaped_ && !unescaped(view.raw_)) throw Refused{"a string holds a broken escape or a NUL"};
  }

  std::string_view key_of(ondemand::raw_json_string key) const {
    const std::string_view text = string_at(key.raw(), end);
    if (text.find('\\') != text.npos) throw Refused{"a member's name holds an escape"};
    return text;
  }

  static void refuse_twins(std::vector<std::string_view> keys) {
    std::sort(keys.begin(), keys.end());
    const auto twin = std::adjacent_find(keys.begin(), keys.end());
    if (twin == keys.end()) return;
    throw Refused{fmt::format("the member \"{}\" stands twice in one object", utf8_prefix(*twin, 64))};
  }
};

std::string JsonView::text() const {
  if (!escaped_) return std::string(raw_);
  return unescaped(raw_).value_or("");
}

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
