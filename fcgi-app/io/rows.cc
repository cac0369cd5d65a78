#include "io/rows.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"

namespace plugfleet {

RowError::RowError(std::string why)
    : Failure(FailureKind::internal, "the database gave an unexpected answer"), why_(std::move(why)) {
  log(Severity::error, "row_error", {{"why", why_}});
}

// ---- Row ---------------------------------------------------------------------------------------------------------

void Row::refuse(Rows::Column column, std::string_view what) const {
  throw RowError(fmt::format("the column {} holds no {}", rows_->name(column), what));
}

template <class T>
T Row::number(Rows::Column column, std::string_view what) const {
  const auto number = number_in<T>(text(column));
  if (!number) refuse(column, what);
  return *number;
}

std::int64_t Row::integer(Rows::Column column) const { return number<std::int64_t>(column, "whole number"); }

double Row::real(Rows::Column column) const { return number<double>(column, "number"); }

bool Row::boolean(Rows::Column column) const {
  const std::string_view value = text(column);
  if (value != "t" && value != "f") refuse(column, "boolean");
  return value == "t";
}

// ---- RowReader ---------------------------------------------------------------------------------------------------

std::string column_of(std::string_view field) {
  std::string column;
  for (const char c : field) {
    const bool capital = c >= 'A' && c <= 'Z';
    if (capital) column += '_';
    column += capital ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return column;
}

void RowReader::refuse(int place, std::string_view why) const {
  throw RowError(fmt::format("the column {} {}", rows_.name(place), why));
}

Row RowReader::present(int place) const {
  if (rows_.is_null(row_, place)) refuse(place, "is null, and its field is not optional");
  return rows_[row_];
}

void RowReader::check_one_column() const {
  if (rows_.columns() == 1) return;
  throw RowError(fmt::format("a query gave {} columns where one was meant", rows_.columns()));
}

std::int64_t RowReader::integer(int place) const { return present(place).integer(place); }
void RowReader::take(int place, std::string& target) { target = present(place).text(place); }
void RowReader::take(int place, bool& target) { target = present(place).boolean(place); }
void RowReader::take(int place, double& target) { target = present(place).real(place); }

void RowReader::take(int place, Json& target) {
  auto value = Json::parse(present(place).text(place));
  if (!value) refuse(place, "is no JSON");
  target = *std::move(value);
}

void RowReader::take(int place, std::vector<std::string>& target) {
  Json list;
  take(place, list);
  target.clear();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Json item = list.at(i);
    const auto text = item.string();
    if (!text) refuse(place, "is no array of texts");
    target.emplace_back(*text);
  }
}

void throw_wrong_count(std::size_t rows, std::string_view meant) {
  throw RowError(fmt::format("a query gave {} rows where {} was meant", rows, meant));
}

}  // namespace plugfleet
