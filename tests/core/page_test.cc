#include "core/page.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

std::vector<std::string> refused(const std::string& cursor) {
  try {
    return read_cursor(cursor, 2);
  } catch (const Failure& failure) {
    CHECK(failure.kind() == FailureKind::invalid_request);
    CHECK_EQ(failure.details().at(0).field, "cursor");
    return {};
  }
}

}  // namespace

TEST(a_cursor_gives_back_its_key_whatever_stands_in_it) {
  for (const std::vector<std::string>& key :
       {std::vector<std::string>{"a", "b"}, {"", "\"],[\n"}, {"2026-01-01 00:00:00+00", "\xc3\xa9"}})
    CHECK(read_cursor(page_cursor(key), 2) == key);
  const PageKey<2> after(page_cursor({"a", "b"}));
  CHECK(after[0] == "a" && after[1] == "b");
  CHECK(!PageKey<2>(std::nullopt)[0]);
}

TEST(what_is_no_cursor_of_the_list_is_refused_by_name) {
  for (const std::string& cursor :
       {std::string("a"), std::string("%"), page_cursor({"a"}), page_cursor({"a", "b", "c"})})
    CHECK(refused(cursor).empty());
}

TEST(a_part_of_another_type_than_its_column_is_refused_by_name) {
  const std::string id = "3f1c6c1e-5b7e-4b57-9d0e-0b6d0c1e2a34";
  const PageKey<2> after(page_cursor({"4000000000000000", id})), first(std::nullopt);
  CHECK(after.number(0) == 4'000'000'000'000'000 && after.uuid(1) == id);
  CHECK(!first.number(0) && !first.uuid(1));
  for (const char* wrong : {"", "-1", "1.5", "4000000000000001", "a"}) {
    const PageKey<2> made_up(page_cursor({wrong, wrong}));
    for (const bool number : {true, false}) {
      FailureKind kind{};
      try {
        number ? (void)made_up.number(0) : (void)made_up.uuid(1);
      } catch (const Failure& failure) {
        kind = failure.kind();
        CHECK_EQ(failure.details().at(0).field, "cursor");
      }
      CHECK(kind == FailureKind::invalid_request && made_up[0] == wrong);
    }
  }
}

TEST(a_page_is_followed_where_one_row_more_came) {
  const PageQuery page{.limit = 2, .cursor = {}};
  const auto cursor_of = [](int row) { return std::to_string(row); };
  std::vector<int> more{1, 2, 3}, all{1, 2};
  CHECK(page.next(more, cursor_of) == "2");
  CHECK_EQ(more.size(), 2u);
  CHECK(!page.next(all, cursor_of));
  CHECK_EQ(all.size(), 2u);
}
