#include "base/utf8.h"

#include <string>

#include "support/check.h"

using namespace plugfleet;

TEST(the_first_and_the_last_code_point_of_each_length_are_UTF8) {
  for (const char32_t point :
       {U'\x01', U'\x7F', U'\x80', U'\x7FF', U'\x800', U'\xD7FF', U'\xE000', U'\xFFFF', U'\x10000', U'\x10FFFF'}) {
    std::string text;
    append_utf8(text, point);
    CHECK(is_utf8(text));
    CHECK_EQ(utf8_length(text), text.size());
  }
}

// RFC 3629, sections 3 and 4.
TEST(overlong_forms_surrogates_and_what_is_cut_are_none) {
  for (const char* const text :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\x80", "\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xC3\x28", "\xFF"}) {
    CHECK_EQ(utf8_length(text), 0u);
    CHECK(!is_utf8(text));
  }
}

TEST(each_byte_that_is_none_is_replaced_and_the_rest_stays) {
  CHECK_EQ(utf8_repaired("a\xFF\xC3\xA4\xE2\x82"), "a\xEF\xBF\xBD\xC3\xA4\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(characters_are_counted_and_cut_whole) {
  CHECK_EQ(utf8_count("a\xC3\xA4\xE2\x82\xAC"), 3u);
  CHECK_EQ(utf8_prefix("a\xC3\xA4\xE2\x82\xAC", 2), "a\xC3\xA4");
  CHECK_EQ(utf8_prefix("ab", 5), "ab");
  CHECK_EQ(utf8_prefix("ab", 0), "");
}

TEST(half_of_a_surrogate_pair_becomes_what_is_no_UTF8) {
  std::string text;
  append_utf8(text, 0xD800);
  CHECK_EQ(text.size(), 3u);
  CHECK(!is_utf8(text));
}
