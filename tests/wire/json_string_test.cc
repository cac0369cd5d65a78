#include "wire/json_string.h"

#include "base/utf8.h"
#include "support/check.h"

using namespace plugfleet;

TEST(every_escape_stands_for_its_character) {
  CHECK_EQ(unescaped(R"(a\"b\\c\/d\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\uDE00z)"),
           "a\"b\\c/d\b\f\n\r\tA\u00e9\u20ac\U0001F600z");
  CHECK(escapes_in(R"(\"\\\/\b\f\n\r\t\u0041\ud83d\ude00)") == Escapes::exact);
  CHECK(escapes_in("Caf\xc3\xa9 /=+") == Escapes::none);
}

TEST(a_nul_and_half_of_a_pair_are_mended_or_kept_apart) {
  for (const char* lossy : {R"(\u0000)", R"(\ud83d)", R"(\ude00)", R"(\ud83dx)", R"(\ud83d\n)", R"(\ude00\ud83d)"}) {
    CHECK(escapes_in(lossy) == Escapes::lossy);
    CHECK_CONTAINS(unescaped(lossy), "\uFFFD");
    CHECK(is_utf8(unescaped(lossy)));
  }
  CHECK_EQ(unescaped(R"(\ud83d\ud83d\ude00)"), "\uFFFD\U0001F600");
  CHECK_EQ(unescaped_exactly(R"(a\u0000b)"), std::string_view("a\0b", 3));
  CHECK(unescaped_exactly(R"(\ud83d)") != unescaped_exactly(R"(\ud83e)"));
  CHECK(!is_utf8(unescaped_exactly(R"(\ud83d)")));
}

TEST(what_is_no_escape_stands_for_what_follows_it) {
  for (const char* unknown : {R"(\q)", R"(\u12)", R"(\u12g4)", R"(\u+123)", R"(\U0041)", R"(\n\x41)", "\\"}) {
    CHECK(escapes_in(unknown) == Escapes::unknown);
    CHECK(unescaped(unknown).size() <= std::string_view(unknown).size());
  }
  CHECK_EQ(unescaped(R"(\q\u12\x41)"), "qu12x41");
}
