#include "base/log.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "base/utf8.h"
#include "support/check.h"
#include "wire/json.h"

using namespace plugfleet;

namespace {

struct LogFile {
  std::string path;
  explicit LogFile(Severity least) {
    char name[] = "/tmp/plugfleet-log-XXXXXX";
    ::close(::mkstemp(name));
    path = name;
    log_open(path, least);
  }
  ~LogFile() { ::unlink(path.c_str()); }
  std::string text() const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

TEST(a_line_is_one_json_object_whatever_is_in_it) {
  const LogFile file(Severity::info);
  log(Severity::warning, "an_event", {{"text", "\x01\xff\xc3\xa9"}, {"n", -7}, {"ms", 12.3456}, {"yes", true}});
  const std::string text = file.text();
  CHECK_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const auto line = Json::parse(text);
  CHECK(line.has_value());
  CHECK_EQ((*line)["event"].string().value(), "an_event");
  CHECK_EQ((*line)["level"].string().value(), "warning");
  CHECK_EQ((*line)["text"].string().value(), "\x01\xEF\xBF\xBD\xc3\xa9");
  CHECK_EQ((*line)["n"].integer().value(), -7);
  CHECK_CONTAINS(text, "\"ms\":12.346,");
  CHECK((*line)["yes"].boolean().value());
  CHECK_EQ((*line)["time"].string().value().size(), std::string_view("2026-03-01T12:00:00.123Z").size());
}

TEST(what_is_less_severe_than_asked_for_leaves_no_line) {
  const LogFile file(Severity::warning);
  log(Severity::info, "quiet");
  CHECK_EQ(file.text(), "");
  CHECK(!log_wants(Severity::info));
}

TEST(long_values_are_cut) {
  const LogFile file(Severity::info);
  log(Severity::info, "x", {{"long", std::string(10'000, 'a')}});
  CHECK(file.text().size() < 1000);
}

TEST(lines_wait_for_a_flush_where_somebody_flushes) {
  const LogFile file(Severity::info);
  int woken = 0;
  log_on_first_line([&] { ++woken; });
  log(Severity::info, "one");
  log(Severity::info, "two");
  CHECK_EQ(woken, 1);
  CHECK_EQ(file.text(), "");
  log_flush();
  log_on_first_line({});
  CHECK_CONTAINS(file.text(), "\"two\"");
}

TEST(json_strings_are_escaped) {
  CHECK_EQ(quoted("plain"), "\"plain\"");
  CHECK_EQ(quoted("a\"b\\c\n"), R"("a\"b\\c\u000a")");
  CHECK_EQ(quoted("\xe2\x82\xac\x80"), "\"\xe2\x82\xac\xEF\xBF\xBD\"");
}

TEST(utf8_is_told_from_what_only_looks_like_it) {
  CHECK(is_utf8("caf\xc3\xa9 \xf0\x9f\x8e\xa8"));
  for (const char* bad : {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3", "\x80"})
    CHECK(!is_utf8(bad));
  CHECK_EQ(utf8_count("\xc3\xa9x"), 2u);
  CHECK_EQ(utf8_prefix("\xc3\xa9xy", 2), "\xc3\xa9x");
  CHECK_EQ(utf8_repaired("a\xff"), "a\xEF\xBF\xBD");
}
