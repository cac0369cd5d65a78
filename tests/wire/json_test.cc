#include "wire/json.h"

#include <limits>

#include "support/check.h"

using plugfleet::Json;

TEST(members_are_dumped_in_the_order_they_were_set) {
  const Json value = Json::object({{"b", 1}, {"a", Json::array({Json(true), Json(), Json("x\"y\n")})}, {"c", 1.5}});
  CHECK_EQ(value.dump(), R"({"b":1,"a":[true,null,"x\"y\n"],"c":1.5})");
}

TEST(broken_utf8_is_repaired_not_lost) { CHECK_EQ(Json("a\xff b\xc3\xa9").dump(), "\"a\xEF\xBF\xBD b\xc3\xa9\""); }

TEST(a_number_that_is_not_finite_is_null) { CHECK_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "null"); }

TEST(a_member_named_twice_is_refused) { CHECK(!Json::parse(R"({"exp":1,"exp":2})")); }

TEST(what_is_not_there_is_null) {
  const auto value = Json::parse(R"({"a":{"n":7}})");
  CHECK_EQ((*value)["a"]["n"].integer().value(), 7);
  CHECK((*value)["b"]["c"].is_null());
  CHECK((*value).at(3).is_null());
}

TEST(a_copy_outlives_its_parent) {
  Json inner;
  {
    const auto value = Json::parse(R"({"a":["deep"]})");
    inner = (*value)["a"].at(0);
  }
  CHECK_EQ(inner.string().value(), "deep");
}
