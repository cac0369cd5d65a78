// What a statement gave back, row by row, or as structs that say their fields once, for bodies, replies and rows alike:
//
//   struct Note {
//     std::int64_t id = 0;
//     std::string owner_name;
//     std::optional<std::string> ended_at;       // optional: may be null
//     void fields(auto& f) {
//       f("id", id);
//       f("ownerName", owner_name);              // the column owner_name
//       f("endedAt", ended_at);
//     }
//   };
//   const std::vector<Note> notes = rows.all<Note>();
//   const auto count = rows.one<std::int64_t>();  // where there is one column
//
// A field's column has its name in snake_case (column_of). Members are std::string (of any type's text: a uuid, a time,
// JSON), bool, whole numbers, double, enums by their names (base/names.h), durations (of a whole number in their own unit:
// f("ageMs", age) with milliseconds) and std::optional of them. A column that no field names is passed over, and a field's
// rule is not asked: it was when the value came in. Of a json or jsonb column a member may also be a Json or, where it holds
// an array of texts, a std::vector<std::string>.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "wire/fields.h"

namespace plugfleet {

// Rows that are not what the program takes them for: a mistake of ours, or another schema than it was written for.
class RowError : public Failure {
 public:
  explicit RowError(std::string why);

  const std::string& why() const { return why_; }  // for operators, and logged; no client sees it

 private:
  std::string why_;
};

class Row;

// Moving is cheap; what text() returned stays valid until the Rows it came from ends.
class Rows {
 public:
  class Column {  // by place or by name
   public:
    Column(int place) : place_(place) {}
    Column(const char* name) : name_(name) {}
    Column(std::string_view name) : name_(name) {}

   private:
    friend class Rows;
    int place_ = -1;
    std::string_view name_;
  };
  class Iterator;

  Rows() = default;
  explicit Rows(void* result);  // takes libpq's result over

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Row operator[](std::size_t row) const;
  Iterator begin() const;
  Iterator end() const;

  // Each row as a T. Throws RowError, naming the column, for one that is not there, a null that T has no room for, and
  // a value of another type; and for a number of rows that is not the one meant.
  template <class T>
  T one() const;
  template <class T>
  std::optional<T> maybe() const;
  template <class T>
  std::vector<T> all() const;

  std::int64_t affected() const;     // by an insert, update, delete or select
  std::string_view command() const;  // as PostgreSQL names it: "INSERT 0 1", "ROLLBACK"

 private:
  friend class Row;
  friend class RowReader;
  struct Clear {
    void operator()(void* result) const;
  };
  int columns() const;
  int place(Column column) const;
  std::string_view name(Column column) const;
  bool is_null(std::size_t row, Column column) const;
  std::string_view text(std::size_t row, Column column) const;

  std::unique_ptr<void, Clear> result_;
  std::size_t size_ = 0;
};

// One row, a view into its Rows. Throws RowError for a column that is not there or not of that type; a null is an empty
// text and no number.
class Row {
 public:
  bool is_null(Rows::Column column) const { return rows_->is_null(row_, column); }
  std::string_view text(Rows::Column column) const { return rows_->text(row_, column); }
  std::int64_t integer(Rows::Column column) const;
  double real(Rows::Column column) const;
  bool boolean(Rows::Column column) const;

 private:
  friend class Rows;
  Row(const Rows& rows, std::size_t row) : rows_(&rows), row_(row) {}
  [[noreturn]] void refuse(Rows::Column column, std::string_view what) const;
  template <class T>
  T number(Rows::Column column, std::string_view what) const;

  const Rows* rows_;
  std::size_t row_;
};

class Rows::Iterator {
 public:
  Row operator*() const { return (*rows_)[row_]; }
  Iterator& operator++() { return ++row_, *this; }
  bool operator==(const Iterator&) const = default;

 private:
  friend class Rows;
  Iterator(const Rows* rows, std::size_t row) : rows_(rows), row_(row) {}
  const Rows* rows_;
  std::size_t row_;
};

inline Row Rows::operator[](std::size_t row) const { return {*this, row}; }
inline Rows::Iterator Rows::begin() const { return {this, 0}; }
inline Rows::Iterator Rows::end() const { return {this, size_}; }

// "userEmail" -> "user_email"; "user_email" stays.
std::string column_of(std::string_view field);

// The visitor that fields() is given. A struct names the same fields for each row: their columns are looked up once.
class RowReader {
 public:
  explicit RowReader(const Rows& rows) : rows_(rows) {}

  template <class T>
  T read(std::size_t row) {
    row_ = row;
    next_ = 0;
    T target{};
    if constexpr (requires(RowReader& f) { target.fields(f); }) {
      target.fields(*this);
    } else {
      check_one_column();
      take(0, target);
    }
    return target;
  }

  void ignore_others() {}
  template <class T>
  void operator()(std::string_view name, T& target, const Rule& = {}) {
    if (next_ == places_.size()) places_.push_back(rows_.place(std::string_view(column_of(name))));
    take(places_[next_++], target);
  }

 private:
  template <class T>
  void take(int place, std::optional<T>& target) {
    if (rows_.is_null(row_, place)) return target.reset();
    take(place, target.emplace());
  }
  template <std::integral T>
  void take(int place, T& target) {
    const std::int64_t value = integer(place);
    target = static_cast<T>(value);
    if (!std::in_range<T>(value)) refuse(place, "is too large for its field");
  }
  template <class Number, class Unit>
  void take(int place, std::chrono::duration<Number, Unit>& target) {
    target = std::chrono::duration<Number, Unit>(integer(place));
  }
  // By its name: named(text, Enum()) finds it (base/names.h).
  template <class Enum>
    requires std::is_enum_v<Enum>
  void take(int place, Enum& target) {
    const auto found = named(present(place).text(place), Enum());
    if (!found) refuse(place, "is not a name of its field's values");
    target = *found;
  }
  void take(int place, std::string& target);
  void take(int place, bool& target);
  void take(int place, double& target);
  void take(int place, Json& target);
  void take(int place, std::vector<std::string>& target);

  std::int64_t integer(int place) const;
  Row present(int place) const;  // the row, whose column is not null
  void check_one_column() const;
  [[noreturn]] void refuse(int place, std::string_view why) const;

  const Rows& rows_;
  std::vector<int> places_;  // of the fields, in the order they are named
  std::size_t row_ = 0, next_ = 0;
};

[[noreturn]] void throw_wrong_count(std::size_t rows, std::string_view meant);

template <class T>
T Rows::one() const {
  if (size_ != 1) throw_wrong_count(size_, "one");
  return RowReader(*this).read<T>(0);
}

template <class T>
std::optional<T> Rows::maybe() const {
  if (size_ > 1) throw_wrong_count(size_, "one or none");
  if (size_ == 0) return std::nullopt;
  return RowReader(*this).read<T>(0);
}

template <class T>
std::vector<T> Rows::all() const {
  std::vector<T> values;
  values.reserve(size_);
  RowReader reader(*this);
  for (std::size_t row = 0; row < size_; ++row) values.push_back(reader.read<T>(row));
  return values;
}

}  // namespace plugfleet
