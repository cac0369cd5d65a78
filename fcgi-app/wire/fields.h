// What a body may hold, said once by the struct that takes it:
//
//   struct NewNote {
//     std::string title;
//     std::optional<std::string> body;                     // optional: may be absent or null
//     void fields(auto& f) {
//       f("title", title, length(1, 120));
//       f("body", body, length(0, 10'000));
//     }
//   };
//   const NewNote note = read_fields<NewNote>(view);       // throws Failure(unprocessable) naming every wrong field
//   const Json reply = write_fields(note);
//
// A member the struct does not name is refused too, unless its fields() calls f.ignore_others(). Members are
// std::string, bool, std::int64_t, double, LargeText, structs with fields(), and std::optional or std::vector of them;
// Json (whatever it is). wire/schema.h makes a JSON Schema of the same fields().
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "wire/json.h"
#include "wire/json_view.h"

namespace plugfleet {

// A string that is too large to copy: a view into the body, which must outlive it, or into `unescaped` where it was
// sent with escapes.
struct LargeText {
  std::string_view text;
  std::shared_ptr<const std::string> unescaped;
};

inline constexpr double kAnyNumber = 1e300;

struct Rule {
  std::size_t length_min = 0, length_max = SIZE_MAX;  // code points of a string
  bool mended = false;                                // a NUL or half of a character in it is U+FFFD, not refused
  std::size_t items_min = 0, items_max = SIZE_MAX;    // of an array
  double least = -kAnyNumber, most = kAnyNumber;      // of a number
  std::string_view contains;                          // a part that a string must have; no letter of it is special
  std::span<const std::string_view> one_of;           // the strings there are
  std::string_view complaint;                         // said where it is not so, instead of "must be one of ..."
  std::string_view format;                            // of a string that we write, in JSON Schema's word: "date-time"
  bool left_out = false;                              // an optional that is empty is left out, not written as null
};

inline Rule length(std::size_t min, std::size_t max) { return {.length_min = min, .length_max = max}; }
// For what people read, and no program looks up.
inline Rule words(std::size_t min, std::size_t max) { return {.length_min = min, .length_max = max, .mended = true}; }
inline Rule items(std::size_t min, std::size_t max) { return {.items_min = min, .items_max = max}; }
inline Rule range(double least, double most) { return {.least = least, .most = most}; }
// `words` outlive the Rule: static constexpr std::string_view kSorts[] = {"popular", "new"};
inline Rule one_of(std::span<const std::string_view> words) { return {.one_of = words}; }
// Of what is written.
inline Rule left_out() { return {.left_out = true}; }
inline Rule time_text() { return {.format = "date-time"}; }  // RFC 3339
inline Rule uuid_text() { return {.format = "uuid"}; }

template <class T>
concept OptionalField = requires(T t) {
  t.emplace();
  t.has_value();
};
template <class T>
concept ListField = !std::same_as<T, std::string> && requires(T t) {
  t.emplace_back();
  t.reserve(1);
};

// "layers" + 3 -> "layers[3]"; "layers[3]" + "id" -> "layers[3].id"
std::string field_path(std::string_view parent, std::string_view name);
std::string field_path(std::string_view parent, std::size_t index);

class FieldReader {
 public:
  FieldReader(const JsonView& view, std::string path, std::vector<Detail>& wrong);

  void ignore_others() { ignore_others_ = true; }

  template <class T>
  void operator()(std::string_view name, T& target, const Rule& rule = {}) {
    named_.push_back(name);
    const std::string path = field_path(path_, name);
    const JsonView* const value = view_.find(name);
    if constexpr (OptionalField<T>) {
      if (!value || value->type() == JsonView::Type::null) return;
      read(*value, path, target.emplace(), rule);
    } else if (!value) {
      complain(path, "is missing");
    } else {
      read(*value, path, target, rule);
    }
  }

  // Complains of members nobody named. Called once, after fields().
  void finish();

 private:
  template <class T>
  void read(const JsonView& value, const std::string& path, T& target, const Rule& rule) {
    if constexpr (ListField<T>) {
      if (value.type() != JsonView::Type::array) return complain(path, "must be an array");
      if (!check_items(value, path, rule)) return;
      target.reserve(value.items().size());
      for (std::size_t i = 0; i < value.items().size(); ++i) {
        read(value.items()[i], field_path(path, i), target.emplace_back(), rule);
      }
    } else if constexpr (requires(FieldReader& f) { target.fields(f); }) {
      if (value.type() != JsonView::Type::object) return complain(path, "must be an object");
      FieldReader inner(value, path, wrong_);
      target.fields(inner);
      inner.finish();
    } else {
      take(value, path, target, rule);
    }
  }

  void take(const JsonView& value, const std::string& path, std::string& target, const Rule& rule);
  void take(const JsonView& value, const std::string& path, LargeText& target, const Rule& rule);
  void take(const JsonView& value, const std::string& path, bool& target, const Rule& rule);
  void take(const JsonView& value, const std::string& path, std::int64_t& target, const Rule& rule);
  void take(const JsonView& value, const std::string& path, double& target, const Rule& rule);
  void take(const JsonView& value, const std::string& path, Json& target, const Rule& rule);
  bool check_items(const JsonView& value, const std::string& path, const Rule& rule);
  void complain(const std::string& path, std::string message);

  const JsonView& view_;
  std::string path_;
  std::vector<Detail>& wrong_;
  std::vector<std::string_view> named_;
  bool ignore_others_ = false;
};

// At most this many complaints are listed; a hostile body earns no long answer.
inline constexpr std::size_t kDetailsMax = 20;

// `wrong` has one at least. Throws Failure naming them all: unprocessable of a body, invalid_request of a query.
[[noreturn]] void throw_unprocessable(std::vector<Detail> wrong);
[[noreturn]] void throw_wrong_query(std::vector<Detail> wrong);

template <class T>
T read_fields(const JsonView& view) {
  std::vector<Detail> wrong;
  T target;
  if (view.type() != JsonView::Type::object) throw_unprocessable({{"", "the body must be a JSON object"}});
  FieldReader reader(view, "", wrong);
  target.fields(reader);
  reader.finish();
  if (!wrong.empty()) throw_unprocessable(std::move(wrong));
  return target;
}

// The parameters of a query (wire/http.h, parse_query) as a struct whose members are neither lists nor structs. Those that
// it does not name are passed over; of several with one name the first counts.
class QueryReader {
 public:
  using Pairs = std::vector<std::pair<std::string, std::optional<std::string>>>;
  QueryReader(const Pairs& pairs, std::vector<Detail>& wrong) : pairs_(pairs), wrong_(wrong) {}

  void ignore_others() {}
  template <class T>
  void operator()(std::string_view name, T& target, const Rule& rule = {}) {
    const auto* const found = find(name);
    if (!found) {
      if constexpr (!OptionalField<T>) complain(name, "is missing");
    } else if (!found->second) {
      complain(name, "must be percent-encoded UTF-8");
    } else if constexpr (OptionalField<T>) {
      take(name, *found->second, target.emplace(), rule);
    } else {
      take(name, *found->second, target, rule);
    }
  }

 private:
  const Pairs::value_type* find(std::string_view name) const;
  void take(std::string_view name, const std::string& text, std::string& target, const Rule& rule);
  void take(std::string_view name, const std::string& text, bool& target, const Rule& rule);
  void take(std::string_view name, const std::string& text, std::int64_t& target, const Rule& rule);
  void take(std::string_view name, const std::string& text, double& target, const Rule& rule);
  void complain(std::string_view name, std::string message);

  const Pairs& pairs_;
  std::vector<Detail>& wrong_;
};

template <class T>
T read_query(const QueryReader::Pairs& pairs) {
  std::vector<Detail> wrong;
  T target;
  QueryReader reader(pairs, wrong);
  target.fields(reader);
  if (!wrong.empty()) throw_wrong_query(std::move(wrong));
  return target;
}

class FieldWriter {
 public:
  void ignore_others() {}
  template <class T>
  void operator()(std::string_view name, const T& value, const Rule& rule = {}) {
    if constexpr (OptionalField<T>) {
      if (rule.left_out && !value) return;
    }
    object_.set(name, shown(value));
  }
  Json take() { return std::move(object_); }

 private:
  template <class T>
  static Json shown(const T& value) {
    if constexpr (requires(T v, FieldWriter& f) { v.fields(f); }) {
      FieldWriter inner;
      const_cast<T&>(value).fields(inner);  // one fields() serves reading and writing; a writer changes nothing
      return inner.take();
    } else if constexpr (requires { value.has_value(); }) {
      return value ? shown(*value) : Json();
    } else if constexpr (requires { value.begin(); } && !std::convertible_to<T, std::string_view>) {
      Json list = Json::array();
      for (const auto& item : value) list.push(shown(item));
      return list;
    } else {
      return Json(value);
    }
  }

  Json object_ = Json::object();
};

template <class T>
Json write_fields(const T& value) {
  FieldWriter writer;
  const_cast<T&>(value).fields(writer);
  return writer.take();
}

}  // namespace plugfleet
