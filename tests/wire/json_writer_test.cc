#include "wire/json_writer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "support/check.h"
#include "wire/json.h"

using namespace plugfleet;

TEST(what_is_written_is_JSON_with_a_comma_between_all_that_follow_each_other) {
  JsonWriter json;
  json.object()
      .add("text", "a \"b\"\n\xFF")
      .add("none", std::optional<std::string>())
      .add("yes", true)
      .add("least", INT64_MIN);
  json.array("list").add("one").add(2).object().end().array().end().end();
  json.object("inside").add("x", std::optional(1)).end().raw("raw", R"([1,2])").plain("plain", "AA==");
  const std::string text = std::move(json).text();
  CHECK_EQ(text,
           "{\"text\":\"a \\\"b\\\"\\u000a\xEF\xBF\xBD\",\"none\":null,\"yes\":true,\"least\":-9223372036854775808,"
           "\"list\":[\"one\",2,{},[]],\"inside\":{\"x\":1},\"raw\":[1,2],\"plain\":\"AA==\"}");
  CHECK(Json::parse(text));
}

TEST(an_object_that_is_JSON_already_gives_its_members) {
  const auto with = [](std::string_view object) {
    JsonWriter json;
    json.object().members(object).add("own", 1);
    return std::move(json).text();
  };
  CHECK_EQ(with(R"({"a":{"b":1}})"), R"({"a":{"b":1},"own":1})");
  CHECK_EQ(with("{}"), R"({"own":1})");
  CHECK_EQ(with(" { \n } "), R"({"own":1})");
}

TEST(what_is_open_is_ended_in_its_order) {
  JsonWriter json;
  json.object().array("parts").object().open_text("data", "data:image/png;base64,");
  CHECK_EQ(json.so_far() + "AAAA" + json.ending(), R"({"parts":[{"data":"data:image/png;base64,AAAA"}]})");
}

TEST(an_array_may_be_the_whole) {
  JsonWriter json;
  json.array().add(std::string("a")).raw("{}");
  CHECK_EQ(std::move(json).text(), R"(["a",{}])");
  CHECK_EQ(JsonWriter().array().so_far(), "[");
}
