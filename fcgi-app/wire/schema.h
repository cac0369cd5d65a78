// The third visitor over fields(): what a type looks like in JSON, as a JSON Schema (2020-12), which OpenAPI 3.1 uses as
// it is. Made at start; no request pays for it. A type that holds itself has none.
//
// What is taken and what is given differ: of a request an optional field may be absent or null, and a field that is not
// named is refused (but after ignore_others()); of a reply every field is there, an empty optional as null, unless its
// Rule says left_out.
#pragma once

#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "wire/fields.h"
#include "wire/json.h"

namespace plugfleet {

enum class Side { taken, given, asked };  // a body, a reply, a query, whose optional parameters are there or not

class FieldSchema {
 public:
  explicit FieldSchema(Side side) : side_(side) {}

  void ignore_others() { open_ = true; }
  template <class T>
  void operator()(std::string_view name, T&, const Rule& rule = {}) {
    if constexpr (OptionalField<T>) {
      const bool null = side_ == Side::taken || (side_ == Side::given && !rule.left_out);
      add(name, of<typename T::value_type>(rule, side_, null ? Null::allowed : Null::refused),
          side_ == Side::given && !rule.left_out);
    } else {
      add(name, of<T>(rule, side_, Null::refused), true);
    }
  }

  template <class T>
  static Json of_type(Side side) {
    return of<T>({}, side, Null::refused);
  }

 private:
  enum class Null { refused, allowed };

  template <class T>
  static Json of(const Rule& rule, Side side, Null null) {
    const bool also_null = null == Null::allowed;
    if constexpr (std::same_as<T, Json>) {
      return Json::object();  // whatever it is
    } else if constexpr (ListField<T>) {
      return of_list(of<typename T::value_type>(rule, side, Null::refused), rule, also_null);
    } else if constexpr (requires(T value, FieldReader& f) { value.fields(f); }) {
      T value{};
      FieldSchema inner(side);
      value.fields(inner);
      return inner.object(also_null);
    } else if constexpr (std::same_as<T, bool>) {
      return typed("boolean", also_null);
    } else if constexpr (std::integral<T>) {
      return of_number("integer", rule, also_null);
    } else if constexpr (std::floating_point<T>) {
      return of_number("number", rule, also_null);
    } else {
      return of_text(rule, also_null);
    }
  }

  static Json typed(std::string_view type, bool also_null);
  static Json of_list(Json items, const Rule& rule, bool also_null);
  static Json of_number(std::string_view type, const Rule& rule, bool also_null);
  static Json of_text(const Rule& rule, bool also_null);
  void add(std::string_view name, Json schema, bool required);
  Json object(bool also_null) const;

  Side side_;
  bool open_ = false;
  Json properties_ = Json::object(), required_ = Json::array();
};

// "plugfleet::Answered<figma::(anonymous namespace)::Renamed>" -> "Answered_figma.Renamed": what OpenAPI lets a
// component be called.
std::string schema_name(std::string_view type);

// A struct with fields(), as a route's declaration refers to it.
struct Type {
  std::string name;  // empty: no type is said
  Json (*schema)(Side) = nullptr;
  const std::type_info* id = nullptr;
  std::vector<std::string_view> fields = {};  // their names, in order
};

class FieldNames {
 public:
  explicit FieldNames(std::vector<std::string_view>& names) : names_(names) {}
  void ignore_others() {}
  template <class T>
  void operator()(std::string_view name, T&, const Rule& = {}) {
    names_.push_back(name);
  }

 private:
  std::vector<std::string_view>& names_;
};

template <class T>
Type type_of() {
  const std::string_view whole = __PRETTY_FUNCTION__;  // "plugfleet::Type plugfleet::type_of() [T = NAME]"
  const std::size_t begin = whole.find("T = ") + 4;
  const std::size_t end = whole.find_first_of(";]", begin);
  Type type{schema_name(whole.substr(begin, end - begin)), &FieldSchema::of_type<T>, &typeid(T)};
  T value{};
  FieldNames names(type.fields);
  value.fields(names);
  return type;
}

}  // namespace plugfleet
