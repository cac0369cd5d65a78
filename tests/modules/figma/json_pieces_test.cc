#include "figma/json_pieces.h"

#include <string>

#include "support/check.h"

using namespace figma;

namespace {

std::string joined(const std::vector<std::string_view>& pieces) {
  std::string out;
  for (const std::string_view piece : pieces) out.append(piece).append("|");
  return out;
}

}  // namespace

TEST(items_and_members_are_taken_apart_at_the_outer_commas_alone) {
  CHECK_EQ(joined(pieces_of(R"([1, "a,]", {"b": [2, 3]} ] and more)")), R"(1|"a,]"|{"b": [2, 3]}|)");
  CHECK_EQ(joined(pieces_of(R"({"a": "\"}", "b":{}})")), R"("a": "\"}"|"b":{}|)");
  CHECK_EQ(joined(pieces_of("no array")), "");
}

TEST(of_a_text_that_was_cut_short_all_before_the_cut_is_there) {
  CHECK_EQ(joined(pieces_of(R"([{"a":1},{"b":)")), R"({"a":1}|{"b":|)");
}

TEST(a_member_is_found_by_its_name) {
  const auto pieces = pieces_of(R"({"a" : 1, "ab":[2]})");
  CHECK_EQ(member_of(pieces, "ab"), "[2]");
  CHECK_EQ(member_of(pieces, "a"), "1");
  CHECK_EQ(member_of(pieces, "b"), "");
}

TEST(arrays_of_a_name_are_found_the_last_first_whatever_stands_around) {
  const auto arrays = arrays_named(R"(so: {"variants": [1]} or rather variants: [2])", "variants");
  CHECK_EQ(arrays.size(), 2u);
  CHECK_EQ(arrays[0], "[2]");
  CHECK(arrays[1].starts_with("[1]"));
  CHECK(arrays_named(R"({"variants": 1})", "variants").empty());
  CHECK(first_array_of_objects("see [1] and [ {}]").starts_with("[ {}"));
}

TEST(what_is_written_as_javascript_or_python_have_it_becomes_JSON) {
  CHECK_EQ(tidied("{a: 'it''s', // why\n 'b': True, /* and */ c: [None, False,],} and more"),
           "{\"a\": \"it''s\", \n \"b\": true,  \"c\": [null, false]}");
}
