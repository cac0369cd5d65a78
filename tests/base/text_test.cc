#include "base/text.h"

#include <cstdint>
#include <string_view>

#include "support/check.h"

using namespace plugfleet;

TEST(spaces_and_tabs_go_from_both_ends_alone) {
  CHECK_EQ(trimmed(" \ta b\t "), "a b");
  CHECK_EQ(trimmed(" \t "), "");
  CHECK_EQ(trimmed("\na"), "\na");
}

TEST(letters_of_ASCII_alone_have_a_lower_case) {
  CHECK_EQ(lower("AbZ-[@\xC3\x84"), "abz-[@\xC3\x84");
  CHECK(equal_ignoring_case("Bearer", "bEARER"));
  CHECK(!equal_ignoring_case("@", "`"));  // 32 apart, and no letters
  CHECK(!equal_ignoring_case("a", "ab"));
}

TEST(a_number_is_all_of_its_text) {
  CHECK_EQ(number_in<int>("-12").value(), -12);
  for (const std::string_view text : {"", " 1", "1 ", "+1", "1.", "0x1", "1e2"}) CHECK(!number_in<int>(text));
  CHECK_EQ(number_in<double>("1e2").value(), 100.0);
  CHECK(!number_in<unsigned>("-1"));
}

TEST(a_number_that_its_type_can_not_hold_is_none) {
  CHECK(number_in<std::int64_t>("9223372036854775807"));
  CHECK(!number_in<std::int64_t>("9223372036854775808"));
  CHECK(!number_in<std::uint16_t>("65536"));
}

TEST(a_number_lies_within_its_bounds_and_both_belong_to_them) {
  for (const std::string_view text : {"1", "65535"}) CHECK(number_in<int>(text, 1, 65535));
  for (const std::string_view text : {"0", "65536", "-1"}) CHECK(!number_in<int>(text, 1, 65535));
}

TEST(what_follows_a_number_is_given_with_it) {
  const auto parsed = number_before<int>("20MiB");
  CHECK_EQ(parsed->first, 20);
  CHECK_EQ(parsed->second, "MiB");
  CHECK(!number_before<int>("MiB"));
}

TEST(an_empty_text_is_none) {
  CHECK(!none_if_empty(""));
  CHECK_EQ(none_if_empty(" ").value(), " ");
}
