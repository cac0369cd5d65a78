// Lists of the contract: `?limit=` (1 to 100, 20) and `?cursor=`, which is opaque to clients; the reply's "nextCursor" is
// null at the end. A page goes on behind the last row of the one before by that row's sort key, never by counting rows.
//
//   const auto page = call.query<PageQuery>();
//   const PageKey<2> after(page.cursor);                        // the sort key: joined_at and user_id, as texts
//   auto rows = co_await db.all<Row>("... where ($2::text is null or (joined_at, user_id) > ($2::timestamptz, $3::uuid))"
//                                    " order by joined_at, user_id limit $4", team, after[0], after[1], page.rows());
//   const auto next = page.next(rows, [](const Row& row) { return page_cursor({row.joined_at, row.user_id}); });
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "wire/fields.h"

namespace plugfleet {

// Of the texts that a page ends with.
std::string page_cursor(const std::vector<std::string>& key);
// Throws Failure(invalid_request) where it is not one of so many texts.
std::vector<std::string> read_cursor(const std::string& cursor, std::size_t texts);

// Of one text of it; the number may be a time in microseconds. Throw as above where it is none.
std::optional<std::int64_t> cursor_number(const std::string& text);
std::optional<std::string> cursor_uuid(const std::string& text);

// The key behind which a page begins, text by text; empty for the first page.
template <std::size_t N>
class PageKey {
 public:
  explicit PageKey(const std::optional<std::string>& cursor) {
    if (!cursor) return;
    auto texts = read_cursor(*cursor, N);
    for (std::size_t i = 0; i < N; ++i) key_[i] = std::move(texts[i]);
  }
  const std::optional<std::string>& operator[](std::size_t i) const { return key_[i]; }
  // The same, of a column that has such values alone; a made-up cursor is refused as above.
  std::optional<std::int64_t> number(std::size_t i) const { return key_[i] ? cursor_number(*key_[i]) : std::nullopt; }
  std::optional<std::string> uuid(std::size_t i) const { return key_[i] ? cursor_uuid(*key_[i]) : std::nullopt; }

 private:
  std::array<std::optional<std::string>, N> key_;
};

struct PageQuery {
  std::optional<std::int64_t> limit;
  std::optional<std::string> cursor;
  void fields(auto& f) {
    f("limit", limit, range(1, 100));
    f("cursor", cursor, length(1, 500));
  }

  std::int64_t size() const { return limit.value_or(20); }
  std::int64_t rows() const { return size() + 1; }  // to ask for: one more shows that there is a next page
  // Takes that one off again.
  template <class Row, class Cursor>
  std::optional<std::string> next(std::vector<Row>& rows, Cursor cursor_of) const {
    if (rows.size() <= static_cast<std::size_t>(size())) return std::nullopt;
    rows.resize(static_cast<std::size_t>(size()));
    return cursor_of(rows.back());
  }
};

}  // namespace plugfleet
