#include "wire/json_documents.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

// The text of the member "a" of each document.
std::string read(std::string text) {
  std::string out;
  for (const JsonView& document : read_json_documents(text)) {
    const JsonView* const a = document.find("a");
    out += a ? readable_text(*a) : "none";
    out += '|';
  }
  return out;
}

}  // namespace

TEST(what_is_whole_is_read_however_odd_the_rest_is) {
  for (const std::string& odd :
       {std::string("\xef\xbb\xbf{\"a\":\"x\"}"), std::string(R"({"\u0061":"x"})"),
        std::string(R"({"b\/\"c":1,"a":"x"})"), std::string(R"({"n":18446744073709551616,"m":-1e999,"a":"x"})"),
        std::string(R"({"n":NaN,"m":-Infinity,"a":"x"})"), std::string(R"({"b":1,"b":2,"a":"x"})"),
        std::string(R"({"a":"w","a":"x"})"), std::string(R"({"b":"\ud83d","c":"\udc00\ud800","a":"x"})"),
        std::string("{\"b\":\"\xff\xc3\",\"a\":\"x\"}"), std::string("{\"b\":\"\n\t\x01\",\"a\":\"x\"}"),
        std::string(R"({"b":"\x41\u12","a":"x"})"), std::string(R"({"b":[1,2,],"a":"x",})"),
        std::string(R"({"a":"x"} and more, {"broken)"), std::string(R"(  [7,null,{"a":"x"}])"),
        std::string("{\"b\":\"\\u0000\",\"a\":\"x\"}"), std::string("{\"a\":\"x\"}\0", 10),
        std::string(R"({"deep":[[[[{"a":"y"}]]]],"a":"x"})")}) {
    if (read(odd) != "x|") test::fail(odd + " was read as " + read(odd));
  }
}

TEST(an_event_stream_is_its_data) {
  CHECK_EQ(read("data: {\"a\":\"x\"}\n\ndata: [DONE]\n\n"), "x|");
  CHECK_EQ(
      read(": a comment {\n\nevent: message\r\nid: 7\r\ndata:{\"a\":\"x\"}\r\n\r\nretry: 1\ndata: {\"a\":\"y\"}\n\n"),
      "x|y|");
  CHECK_EQ(read("{\"a\":\"x\"}\n{\"a\":\"y\"}\n"), "x|y|");
  CHECK_EQ(read("data: {\"a\":\"x\"}\n\ndata: {\"a\":\"y"), "x|");
}

TEST(what_is_not_whole_is_not_read) {
  for (const char* broken :
       {"", "   ", "<html>{\"a\":\"x\"}</html>", "7", "\"a\"", "{\"a\":", "{\"a\":\"x\"", "{\"a\":\"x\"]", "{a:\"x\"}",
        "{\"a\" \"x\"}", "[", "{\"a\":\"x\\\"}", "\x01\x02", "data:", "[DONE]"})
    CHECK_EQ(read(broken), "");
  CHECK_EQ(read(std::string(1'000'000, '[')), "");
  CHECK_EQ(read("[" + std::string(1'000'000, ',') + "]"), "");
  std::string many = "[";
  while (many.size() < 1'000'000) many += "0,";
  CHECK_EQ(read(many + "]"), "");
}

TEST(a_text_is_read_with_a_mark_for_what_cannot_be) {
  CHECK_EQ(read(R"({"a":"\ud83e\udd8a Fox \ud83d"})"), "\U0001F98A Fox \uFFFD|");
  CHECK_EQ(read("{\"a\":\"x\xff\ny\"}"), "x\uFFFD\ny|");
  CHECK_EQ(read(R"({"a":"\q\u00e9\n\/"})"), "q\u00e9\n/|");
  CHECK_EQ(read(R"({"a":"x\u0000y"})"), "x\uFFFDy|");
  CHECK_EQ(read(R"({"a":7})"), "|");
}

TEST(numbers_are_whole_where_they_can_be) {
  std::string text = R"([{"a":12,"b":1.5,"c":9223372036854775808,"d":true,"e":nul}])";
  const auto documents = read_json_documents(text);
  CHECK_EQ(documents.at(0).find("a")->integer().value(), 12);
  CHECK_EQ(documents.at(0).find("b")->number(), 1.5);
  CHECK(!documents.at(0).find("c")->integer());
  CHECK(documents.at(0).find("d")->boolean());
  CHECK(documents.at(0).find("e")->type() == JsonView::Type::null);
}
