// Rows into structs and values, through PgBouncer.
#include "io/rows.h"

#include "io/postgres_support.h"
#include "wire/json_view.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

struct Note {
  std::int64_t id = 0;
  std::string owner_name;
  std::optional<std::string> ended_at;
  bool open = false;
  double price = 0;
  std::optional<int> pages;
  void fields(auto& f) {
    f("id", id, range(1, 3));
    f("ownerName", owner_name, length(1, 3));
    f("endedAt", ended_at);
    f("open", open);
    f("price", price);
    f("pages", pages);
  }
};

// Columns in another order than the fields, and one that no field names.
constexpr const char* kNotes =
    "select n % 2 = 1 as open, case when n > 1 then n * 100 end as pages, 'Ada ' || n as owner_name, 'extra' as extra, "
    "n as id, n + 0.25 as price, case when n = 2 then now() end as ended_at from generate_series(1, $1) as n order by "
    "n";

struct Small {
  int number = 0;
  void fields(auto& f) { f("number", number); }
};

struct Named {
  std::string name;
  void fields(auto& f) { f("name", name); }
};

// Why, for operators: a client learns nothing of it.
template <class T>
Async<std::string> refusal(Async<T> query) {
  try {
    co_await std::move(query);
  } catch (const RowError& error) {
    CHECK_EQ(error.kind(), FailureKind::internal);
    CHECK_EQ(error.message(), "the database gave an unexpected answer");
    co_return error.why();
  }
  fail("it was not refused");
}

#define CHECK_REFUSED(query, part)                       \
  do {                                                   \
    const std::string said_ = co_await refusal((query)); \
    CHECK_CONTAINS(said_, part);                         \
  } while (false)

}  // namespace

ASYNC_TEST(columns_are_matched_by_the_names_of_fields_in_any_order) {
  Database db(reactor, pooled());
  const auto notes = co_await db.all<Note>(kNotes, 3);
  CHECK_EQ(notes.size(), 3u);
  CHECK_EQ(notes[0].id, 1);
  CHECK_EQ(notes[0].owner_name, "Ada 1");
  CHECK(notes[0].open && !notes[1].open);
  CHECK_EQ(notes[2].price, 3.25);
  CHECK(!notes[0].pages && notes[1].pages == 200 && notes[2].pages == 300);
  CHECK(!notes[0].ended_at && notes[1].ended_at && !notes[2].ended_at);
}

TEST(a_fields_column_has_its_name_in_snake_case) {
  CHECK_EQ(column_of("userEmail"), "user_email");
  CHECK_EQ(column_of("user_email"), "user_email");
  CHECK_EQ(column_of("id"), "id");
}

ASYNC_TEST(the_struct_of_a_row_is_also_that_of_a_reply) {
  Database db(reactor, pooled());
  const auto note = co_await db.one<Note>(kNotes, 1);
  CHECK_EQ(write_fields(note).dump(),
           R"({"id":1,"ownerName":"Ada 1","endedAt":null,"open":true,"price":1.25,"pages":null})");
}

ASYNC_TEST(one_is_exactly_one_row_and_maybe_one_or_none) {
  Database db(reactor, pooled());
  const auto none = co_await db.maybe<Note>(kNotes, 0);
  CHECK(!none);
  const auto some = co_await db.maybe<Note>(kNotes, 1);
  CHECK(some && some->id == 1);
  const auto empty = co_await db.all<Note>(kNotes, 0);
  CHECK(empty.empty());
  CHECK_REFUSED(db.one<Note>(kNotes, 0), "0 rows where one was meant");
  CHECK_REFUSED(db.one<Note>(kNotes, 2), "2 rows where one was meant");
  CHECK_REFUSED(db.maybe<Note>(kNotes, 2), "2 rows where one or none was meant");
}

ASYNC_TEST(a_row_of_one_column_is_a_value) {
  Database db(reactor, pooled());
  const auto number = co_await db.one<std::int64_t>("select $1::bigint + $2::bigint", std::int64_t{1} << 40, 2);
  CHECK_EQ(number, (std::int64_t{1} << 40) + 2);
  const auto text = co_await db.one<std::string>("select $1::text || 'é'", "caf");
  CHECK_EQ(text, "café");
  const auto truth = co_await db.one<bool>("select $1::text is null", std::nullopt);
  CHECK(truth);
  const auto real = co_await db.one<double>("select 0.5");
  CHECK_EQ(real, 0.5);
  const auto numbers = co_await db.all<int>("select unnest($1::int[])", std::vector{3, 1, 2});
  CHECK(numbers == std::vector({3, 1, 2}));
  const auto age = co_await db.one<std::chrono::seconds>("select 90");
  CHECK(age == 90s);
  const auto nothing = co_await db.one<std::optional<std::string>>("select max('a') where false");
  CHECK(!nothing);
  const auto no_row = co_await db.maybe<std::string>("select 'a' where false");
  CHECK(!no_row);
  CHECK_REFUSED(db.one<std::int64_t>("select 1, 2"), "2 columns where one was meant");
}

ASYNC_TEST(what_does_not_fit_is_refused_and_its_column_named) {
  Database db(reactor, pooled());
  CHECK_REFUSED(db.one<Named>("select 'a' as title"), "no column name");
  CHECK_REFUSED(db.all<Named>("select null as name"), "the column name is null");
  CHECK_REFUSED(db.one<Small>("select 'many' as number"), "the column number holds no whole number");
  CHECK_REFUSED(db.one<Small>("select 1.5 as number"), "the column number holds no whole number");
  CHECK_REFUSED(db.one<Small>("select 3000000000 as number"), "the column number is too large");
  CHECK_REFUSED(db.one<bool>("select 1 as done"), "the column done holds no boolean");
  CHECK_REFUSED(db.maybe<double>("select 'a' as price"), "the column price holds no number");
  CHECK_REFUSED(db.one<std::optional<int>>("select '' as pages"), "the column pages holds no whole number");
}

ASYNC_TEST(a_column_of_json_is_a_value_or_its_texts) {
  Database db(reactor, pooled());
  const auto json = co_await db.one<Json>("select '{\"a\": [1, null]}'::jsonb");
  CHECK_EQ(json["a"].dump(), "[1,null]");
  const auto texts = co_await db.one<std::vector<std::string>>("select to_jsonb(array['a', 'é\"'])");
  CHECK(texts == std::vector<std::string>({"a", "é\""}));
  CHECK_REFUSED(db.one<Json>("select 'a' as config"), "the column config is no JSON");
  CHECK_REFUSED(db.one<std::vector<std::string>>("select '[1]' as names"), "the column names is no array of texts");
}

ASYNC_TEST(a_transaction_gives_them_too_and_sees_what_it_wrote) {
  Database db(reactor, pooled());
  Scratch scratch(db);
  co_await scratch.create("(id bigint generated always as identity, name text not null)");
  Transaction transaction = co_await db.begin();
  const auto id =
      co_await transaction.one<std::int64_t>("insert into " + scratch.name + " (name) values ($1) returning id", "Ada");
  const auto written = co_await transaction.maybe<Named>("select name from " + scratch.name + " where id = $1", id);
  CHECK(written && written->name == "Ada");
  const auto outside = co_await db.all<Named>("select name from " + scratch.name);
  CHECK(outside.empty());
  co_await transaction.commit();
  const auto names = co_await db.all<std::string>("select name from " + scratch.name);
  CHECK(names == std::vector<std::string>{"Ada"});
  co_await scratch.drop();
}
