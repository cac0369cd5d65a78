#include "main/table.h"

#include "support/check.h"

using namespace plugfleet;

TEST(a_column_is_as_wide_as_its_widest_cell_in_characters) {
  Table table({"ID", "WHAT"});
  table.add({"\xC3\xA4", "one"});
  table.add({"1234", ""});
  CHECK_EQ(table.text(), "ID    WHAT\n\xC3\xA4     one\n1234  -\n");
}

TEST(a_line_fits_the_terminal) {
  Table table({"ID", "WHAT"});
  table.add({"1", std::string(500, 'x')});
  const std::string text = table.text();
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1)
    CHECK(utf8_count(text.substr(begin, end - begin)) <= kTerminalWidth);
}

TEST(what_a_client_put_in_can_not_steer_the_terminal) {
  CHECK_EQ(printable("a\x1b[2J\nb\x7f", 60), "a [2J b ");
  CHECK_EQ(printable("\xC2\x9B"
                     "2J",
                     60),
           " 2J");  // CSI in eight bits
  CHECK_EQ(printable("\xFF", 60), "\xEF\xBF\xBD");
}

TEST(times_are_shown_in_the_unit_that_fits) {
  CHECK_EQ(shown_duration(350ms), "350ms");
  CHECK_EQ(shown_duration(1240ms), "1.2s");
  CHECK_EQ(shown_duration(119s), "119s");
  CHECK_EQ(shown_duration(120s), "2m");
  CHECK_EQ(shown_seconds(7200), "2h");
  CHECK_EQ(shown_seconds(172'800), "2d");
  CHECK_EQ(shown_age(rfc3339(WallClock::now() - 3h)), "3h");
  CHECK_EQ(shown_age(rfc3339(WallClock::now() + 1h)), "0s");
}
