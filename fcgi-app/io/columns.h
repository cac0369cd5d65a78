// A batch of structs for a function of the schema, whose parameters are arrays: one for each field, under its name. So
// what a struct names in its fields() finds the parameter of that name, in whatever order they stand.
//
//   struct Ended {
//     std::string id;
//     std::optional<std::string> result;
//     void fields(auto& f) const {
//       f("job_id", id);
//       f("result", result);
//     }
//   };
//   const Columns columns(endings);
//   co_await database.query("select * from " + columns.call("finish_jobs"), columns.params());
//                                             // finish_jobs(job_id => $1, result => $2)
//
// A field's value may be made for it: it is copied. An enum goes by its name (base/names.h).
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "io/postgres.h"

namespace plugfleet {

class Columns {
 public:
  template <class Struct>
  explicit Columns(const std::vector<Struct>& rows) : rows_(rows.size()) {
    for (const Struct& row : rows) {
      next_ = 0;
      row.fields(*this);
    }
  }

  // "function(id => $1, kind => $2)"
  std::string call(std::string_view function) const {
    std::string text(function);
    for (std::size_t i = 0; i < arrays_.size(); ++i)
      text += fmt::format("{}{} => ${}", i == 0 ? "(" : ", ", arrays_[i]->name, i + 1);
    return text + ')';
  }
  Params params() const {
    Params params;
    for (const auto& array : arrays_) array->add_to(params);
    return params;
  }

  // What fields() calls.
  template <class T>
  void operator()(std::string_view name, const T& value) {
    if constexpr (std::is_enum_v<T>) {
      add(name, name_of(value));
    } else {
      add(name, value);
    }
  }

 private:
  struct Array {
    explicit Array(std::string_view its_name) : name(its_name) {}
    virtual ~Array() = default;
    virtual void add_to(Params& params) const = 0;
    const std::string name;
  };
  template <class T>
  struct ArrayOf final : Array {
    using Array::Array;
    void add_to(Params& params) const override { params.add(values); }
    std::vector<T> values;
  };

  template <class T>
  void add(std::string_view name, const T& value) {
    if (next_ == arrays_.size()) {
      auto array = std::make_unique<ArrayOf<T>>(name);
      array->values.reserve(rows_);
      arrays_.push_back(std::move(array));
    }
    // A struct names the same fields for each row, in the same order.
    static_cast<ArrayOf<T>&>(*arrays_[next_++]).values.push_back(value);
  }

  std::vector<std::unique_ptr<Array>> arrays_;
  std::size_t rows_, next_ = 0;
};

}  // namespace plugfleet
