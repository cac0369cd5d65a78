#include "wire/json_view.h"

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
  for (const char* text :
       {"", "   ", "{", "[1,2", R"({"a" 1})", R"({"a":})", R"({"a":1}x)", R"({"a":tru})", R"(["\q"])", R"(["\u00"])",
        R"(["a)", R"({"a":nulll})", "[1 2]", R"(["a\"])", "[01]", "[1.]", "[-]"}) {
    if (error_of(text).empty()) test::fail(std::string("accepted: ") + text);
  }
  CHECK(!error_of("[\"a\nb\"]").empty());
  CHECK(!error_of("[\"\xff\"]").empty());
  CHECK_CONTAINS(error_of(R"(["a\u0000b"])"), "NUL");
  CHECK_CONTAINS(error_of("\"just text\""), "object or array");
}

TEST(a_member_that_stands_twice_is_refused_by_name) { CHECK_CONTAINS(error_of(R"({"id":1,"b":2,"id":3})"), "\"id\""); }

TEST(nesting_and_number_of_values_are_bounded) {
  CHECK_CONTAINS(error_of(std::string(100, '[') + std::string(100, ']')), "nested");
  std::string many = "[1";
  for (int i = 0; i < 60'000; ++i) many += ",1";
  CHECK_CONTAINS(error_of(many + "]"), "too many");
  CHECK_EQ(error_of(R"([[1]])", {.nodes_max = 3, .depth_max = 3}), "");
}
