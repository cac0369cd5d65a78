#include "wire/fields.h"

#include "support/check.h"
#include "wire/http.h"

using namespace plugfleet;

namespace {

struct Inner {
  std::string id;
  std::optional<double> x;
  void fields(auto& f) {
    f("id", id, length(1, 5));
    f("x", x, range(0, 10));
  }
};

struct Outer {
  std::string name;
  std::optional<std::int64_t> count;
  bool flag = false;
  std::vector<Inner> list;
  void fields(auto& f) {
    f("name", name, length(1, 10));
    f("count", count, range(1, 9));
    f("flag", flag);
    f("list", list, items(1, 3));
  }
};

struct Picture {
  std::string id;
  std::optional<std::string> words_of_it;
  std::optional<LargeText> image;
  void fields(auto& f) {
    f("id", id), f("words", words_of_it, words(1, 6));
    f("image", image, Rule{.length_min = 1});
    f.ignore_others();
  }
};

template <class T>
T read_as(std::string& text) {
  text.reserve(text.size() + kJsonPadding);
  const auto view = parse_json_view(text);
  CHECK(view.has_value());
  return read_fields<T>(*view);
}
Outer read(std::string text) { return read_as<Outer>(text); }

template <class T = Outer>
std::string complaints(std::string text) {
  try {
    read_as<T>(text);
  } catch (const Failure& failure) {
    CHECK(failure.kind() == FailureKind::unprocessable);
    std::string out;
    for (const Detail& detail : failure.details()) out += detail.field + " " + detail.message + "; ";
    return out;
  }
  return "";
}

}  // namespace

TEST(a_body_becomes_its_struct_and_back) {
  const Outer outer =
      read(R"({"name":"caf\u00e9","count":3,"flag":true,"list":[{"id":"a","x":1.5},{"id":"b","x":null}]})");
  CHECK_EQ(outer.name, "caf\xc3\xa9");
  CHECK_EQ(outer.count.value(), 3);
  CHECK_EQ(outer.list.at(0).x.value(), 1.5);
  CHECK(!outer.list.at(1).x);
  CHECK_EQ(write_fields(outer).dump(),
           "{\"name\":\"caf\xc3\xa9\",\"count\":3,\"flag\":true,\"list\":[{\"id\":\"a\",\"x\":1.5},{\"id\":\"b\",\"x\":"
           "null}]}");
}

TEST(a_large_text_is_a_view_unless_it_was_sent_with_escapes) {
  std::string plain = R"({"id":"a","image":"QUJD/+=="})", escaped = R"({"id":"a","image":"Q\u0055JD\/\u002b\u003D="})";
  const auto view = read_as<Picture>(plain).image.value();
  CHECK_EQ(view.text, "QUJD/+==");
  CHECK(view.text.data() > plain.data() && view.text.data() < plain.data() + plain.size());
  const std::vector<Picture> moved = {Picture(), read_as<Picture>(escaped)};
  CHECK_EQ(moved.at(1).image->text, "QUJD/+==");
}

TEST(what_no_text_may_hold_is_refused_where_the_text_is_ours_and_mended_in_words) {
  for (const std::string odd : {R"("a\ud83d")", R"("\ude00")", R"("a\u0000b")"}) {
    CHECK_EQ(complaints<Picture>(R"({"id":"a","x":)" + odd + "}"), "");
    CHECK_CONTAINS(complaints<Picture>(R"({"id":)" + odd + "}"), "id must not hold a NUL or half of a character");
    CHECK_CONTAINS(complaints<Picture>(R"({"id":"a","image":)" + odd + "}"), "image must not hold a NUL");
  }
  std::string text = R"({"id":"a","words":"Card \ud83d"})";
  CHECK_EQ(read_as<Picture>(text).words_of_it.value(), "Card \uFFFD");
  CHECK_CONTAINS(complaints<Picture>(R"({"id":"a","words":"Cards \ud83d"})"),
                 "words must have 1 to 6 characters, not 7");
}

TEST(every_wrong_field_is_named) {
  const std::string said =
      complaints(R"({"name":"","count":10,"flag":"yes","list":[{"id":"a"},{"id":7,"x":11,"y":0}],"more":1})");
  for (const char* part : {"name must have 1 to 10", "count must be between 1 and 9", "flag must be true or false",
                           "list[1].id must be a string", "list[1].x must be between", "list[1].y is not a field",
                           "more is not a field"}) {
    CHECK_CONTAINS(said, part);
  }
}

TEST(what_is_missing_is_named) {
  CHECK_CONTAINS(complaints(R"({"flag":true,"list":[{"id":"a"}]})"), "name is missing");
}

TEST(arrays_are_bounded_before_they_are_read) {
  CHECK_CONTAINS(complaints(R"({"name":"n","flag":true,"list":[]})"), "list must have 1 to 3 items, not 0");
  CHECK_CONTAINS(complaints(R"({"name":"n","flag":true,"list":[1,2,3,4]})"), "list must have 1 to 3 items, not 4");
}

TEST(a_number_out_of_range_is_named_whatever_its_size) {
  for (const char* large : {"18446744073709551616", "-1e400", "9223372036854775808", "1e30"}) {
    CHECK_CONTAINS(complaints(fmt::format(R"({{"name":"n","flag":true,"count":{},"list":[{{"id":"a"}}]}})", large)),
                   "count must be between 1 and 9");
    CHECK_CONTAINS(complaints(fmt::format(R"({{"name":"n","flag":true,"list":[{{"id":"a","x":{}}}]}})", large)),
                   "list[0].x must be between 0 and 10");
  }
  CHECK_EQ(complaints(R"({"name":"n","flag":true,"count":3.0,"list":[{"id":"a","x":-0}]})"), "");
}

TEST(a_fraction_is_no_whole_number) {
  CHECK_CONTAINS(complaints(R"({"name":"n","flag":true,"count":1.5,"list":[{"id":"a"}]})"),
                 "count must be a whole number");
}

namespace {

struct Config {
  std::optional<Json> config;
  void fields(auto& f) { f("config", config); }
};

}  // namespace

TEST(whatever_json_it_is_is_taken_as_it_is) {
  for (const char* json : {R"({"a":[1,-2.5,null,true,"\u00e9"],"b":{}})", "[]", "7", "\"a\""}) {
    std::string text = fmt::format(R"({{"config":{}}})", json);
    CHECK_EQ(read_as<Config>(text).config->dump(), Json::parse(json)->dump());
  }
  std::string none = R"({"config":null})";
  CHECK(!read_as<Config>(none).config);
  for (const char* json : {R"(["\u0000"])", R"({"a":"\ud800"})", "[1e400]"})
    CHECK_CONTAINS(complaints<Config>(fmt::format(R"({{"config":{}}})", json)), "config must not hold");
}

// ---- A query -------------------------------------------------------------------------------------------------------

namespace {

constexpr std::string_view kSorts[] = {"popular", "new"};

struct ListQuery {
  std::optional<std::int64_t> days;
  std::optional<bool> deep;
  std::optional<double> share;
  std::optional<std::string> sort;
  void fields(auto& f) {
    f("days", days, range(1, 365));
    f("deep", deep);
    f("share", share);
    f("sort", sort, one_of(kSorts));
  }
};

std::string refused_query(std::string_view text) {
  try {
    read_query<ListQuery>(parse_query(text));
  } catch (const Failure& failure) {
    CHECK(failure.kind() == FailureKind::invalid_request);
    return failure.message();
  }
  return "";
}

}  // namespace

TEST(a_query_is_read_by_fields_and_what_it_does_not_name_is_passed_over) {
  const auto query = read_query<ListQuery>(parse_query("x=1&days=7&deep=true&share=0.5&sort=new&days=9"));
  CHECK_EQ(*query.days, 7);
  CHECK(*query.deep && *query.share == 0.5);
  CHECK_EQ(*query.sort, "new");
  CHECK(!read_query<ListQuery>({}).days);
}

TEST(a_wrong_parameter_is_named) {
  for (const char* days : {"days=0", "days=366", "days=", "days=seven", "days=7.5", "days=99999999999999999999"})
    CHECK_EQ(refused_query(days), "days must be a whole number from 1 to 365");
  CHECK_EQ(refused_query("days=%ff"), "days must be percent-encoded UTF-8");
  CHECK_EQ(refused_query("deep=1"), "deep must be true or false");
  CHECK_EQ(refused_query("share=nan"), "share must be a number");
  CHECK_EQ(refused_query("sort=old&deep=1"), "deep must be true or false, and 1 more");
  CHECK_EQ(refused_query("sort=old"), "sort must be one of popular, new");
}
