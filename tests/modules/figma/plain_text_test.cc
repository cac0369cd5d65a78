#include "figma/plain_text.h"

#include "support/check.h"

using namespace figma;

TEST(a_text_becomes_one_line_with_single_spaces) {
  CHECK_EQ(one_line(" \ta\r\n\n b\xC2\xA0\xE3\x80\x80"
                    "c "),
           "a b c");
  CHECK_EQ(one_line(" \n "), "");
}

TEST(what_can_not_be_seen_or_turns_the_text_around_goes) {
  CHECK_EQ(one_line("a\xE2\x80\xAE"
                    "b\xE2\x80\x8B"
                    "c\xEF\xBB\xBF\xC2\x85"),
           "abc");
  CHECK_EQ(one_line("a\xFF"
                    "b"),
           "ab");
}

TEST(joiners_stay_where_letters_or_emoji_hang_on_them) {
  const std::string family = "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7";
  CHECK_EQ(one_line(family), family);
  CHECK_EQ(one_line("a \xE2\x80\x8D b"), "a b");
}

TEST(lines_and_tabs_stay_where_only_controls_go) {
  CHECK_EQ(without_controls("a\n\tb  c\r\x1b[2J\x7f\xC2\x9B\xFF"), "a\n\tb  c[2J");
}
