#include "wire/json_view.h"

#include <cmath>

#include "support/check.h"

using namespace plugfleet;

namespace {

std::expected<JsonView, std::string> parse(std::string& text, JsonLimits limits = {}) {
  text.reserve(text.size() + kJsonPadding);
  return parse_json_view(text, limits);
}

std::string error_of(std::string text, JsonLimits limits = {}) {
  const auto view = parse(text, limits);
  return view ? "" : view.error();
}

}  // namespace

TEST(strings_are_views_into_the_text) {
  std::string text = R"({"layers": [ {"id":"1:2" , "imageBase64":"QUJD"} ], "n": 3, "x": 1.5, "t": true, "z": null})";
  const auto view = parse(text);
  const JsonView& layer = view->find("layers")->items().at(0);
  const std::string_view image = layer.find("imageBase64")->raw();
  CHECK_EQ(image, "QUJD");
  CHECK(image.data() > text.data() && image.data() < text.data() + text.size());
  CHECK_EQ(view->find("n")->integer().value(), 3);
  CHECK(!view->find("x")->integer());
  CHECK_EQ(view->find("x")->number(), 1.5);
  CHECK(view->find("t")->boolean());
  CHECK(view->find("z")->type() == JsonView::Type::null);
  CHECK(!view->find("absent"));
}

TEST(escapes_are_resolved_on_demand) {
  std::string text = R"({"a":"x\"y\\","b":"\/9j\/4","c":"\u00e9\n"})";
  const auto view = parse(text);
  CHECK_EQ(view->find("a")->text(), "x\"y\\");
  CHECK(!view->find("b")->plain());
  CHECK_EQ(view->find("b")->raw(), R"(\/9j\/4)");
  CHECK_EQ(view->find("b")->text(), "/9j/4");
  CHECK_EQ(view->find("c")->text(), "\xc3\xa9\n");
}

TEST(what_is_no_json_is_refused) {
  for (const char* text : {"",
                           "   ",
                           "{",
                           "[1,2",
                           R"({"a" 1})",
                           R"({"a":})",
                           R"({"a":1}x)",
                           R"({"a":tru})",
                           R"(["\q"])",
                           R"(["\u00"])",
                           R"(["a)",
                           R"({"a":nulll})",
                           "[1 2]",
                           R"(["a\"])",
                           "[01]",
                           "[1.]",
                           "[-]",
                           "[+1]",
                           "[.5]",
                           "[1e]",
                           "[1e+]",
                           "[0x10]",
                           "[-01]",
                           "[1.5.5]",
                           "[1e400x]",
                           "[1e4.0]",
                           "[NaN]",
                           "[-Infinity]",
                           "[18446744073709551616x]",
                           "[018446744073709551616]",
                           "[18446744073709551616.]",
                           R"({"\q":1})",
                           R"({"\u12":1})",
                           R"({"a\":1})"}) {
    if (error_of(text).empty()) test::fail(std::string("accepted: ") + text);
  }
  CHECK(!error_of("[\"a\nb\"]").empty());
  CHECK(!error_of("[\"\xff\"]").empty());
  CHECK_CONTAINS(error_of("\"just text\""), "object or array");
}

TEST(a_number_of_any_size_is_a_number) {
  const auto number = [](const std::string& json) {
    std::string text = "[" + json + " \n]";
    const auto view = parse(text);
    if (!view || view->items().at(0).type() != JsonView::Type::number) test::fail(json + " is not a number");
    return view->items()[0];
  };
  for (const char* json : {"18446744073709551616", "1.8446744073709551616e19", "18446744073709551616.0"})
    CHECK_EQ(number(json).number(), 0x1p64);
  CHECK_EQ(number("18446744073709551615").number(), 0x1p64);
  CHECK_EQ(number("-9223372036854775809").number(), -0x1p63);
  CHECK_EQ(number("1e400").number(), INFINITY);
  CHECK_EQ(number("-1E+400").number(), -INFINITY);
  CHECK_EQ(number("1" + std::string(400, '0')).number(), INFINITY);
  CHECK_EQ(number("1e-400").number(), 0);
  CHECK_EQ(number("0." + std::string(1000, '3')).number(), 1.0 / 3);
  for (const char* json : {"9223372036854775808", "18446744073709551616", "1e400", "1e19", "1.5"})
    CHECK(!number(json).integer());
}

TEST(a_number_without_a_fraction_is_whole_however_it_is_spelt) {
  std::string text = "[12, 12.0, 1.2e1, 120E-1, -0, -0.0, 9223372036854775807, -9223372036854775808]";
  const auto view = parse(text);
  for (int i = 0; i < 4; ++i) CHECK_EQ(view->items().at(i).integer().value(), 12);
  for (int i = 4; i < 6; ++i) CHECK_EQ(view->items().at(i).integer().value(), 0);
  CHECK_EQ(view->items().at(6).integer().value(), INT64_MAX);
  CHECK_EQ(view->items().at(7).integer().value(), INT64_MIN);
}

TEST(a_string_that_no_text_can_be_is_told_from_one_that_can) {
  std::string text = R"(["Card \ud83d", "\ude00 Card", "\ud83d\ud83d\ude00", "a\u0000b", "\ud83d\ude00", "\\ud83d"])";
  const auto view = parse(text);
  const std::vector<std::string> texts = {"Card \uFFFD", "\uFFFD Card", "\uFFFD\U0001F600",
                                          "a\uFFFDb",    "\U0001F600",  R"(\ud83d)"};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CHECK_EQ(view->items().at(i).text(), texts[i]);
    CHECK_EQ(view->items().at(i).exact(), i >= 4);
    CHECK(!view->items().at(i).plain());
  }
}

TEST(a_member_is_found_however_its_name_is_spelt) {
  std::string text = R"({"fr\u0061me\u004eame":1, "a\/b":2, "":3, "\ud83d":4, "c\u0000":5, "n":{"\u0069d":6}})";
  const auto view = parse(text);
  CHECK_EQ(view->find("frameName")->number(), 1);
  CHECK_EQ(view->find("a/b")->number(), 2);
  CHECK_EQ(view->find("")->number(), 3);
  CHECK_EQ(view->find({"c\0", 2})->number(), 5);
  CHECK(!view->find("c"));
  const JsonView copy = *view->find("n");
  CHECK_EQ(copy.find("id")->number(), 6);
}

TEST(a_member_that_stands_twice_is_refused_by_name) {
  CHECK_CONTAINS(error_of(R"({"id":1,"b":2,"id":3})"), "\"id\" stands twice");
  CHECK_CONTAINS(error_of(R"({"id":1,"b":2,"\u0069d":3})"), "\"id\" stands twice");
  CHECK_CONTAINS(error_of(R"({"a\/b":1,"a\u002Fb":3})"), "\"a/b\" stands twice");
  CHECK_CONTAINS(error_of(R"({"\uD83D":1,"\ud83d":3})"), "stands twice");
  CHECK_EQ(error_of(R"({"\ud83d":1,"\ud83e":2,"\\ud83d":3,"\ufffd":4,"a":5,"a\u0000":6})"), "");
}

TEST(nesting_and_number_of_values_are_bounded) {
  CHECK_CONTAINS(error_of(std::string(100, '[') + std::string(100, ']')), "nested");
  std::string many = "[1";
  for (int i = 0; i < 60'000; ++i) many += ",1";
  CHECK_CONTAINS(error_of(many + "]"), "too many");
  CHECK_EQ(error_of(R"([[1]])", {.nodes_max = 3, .depth_max = 3}), "");
}
