#include "base/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
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

// How many lines there are, and the "count" of those that tell of lost ones; a line that is not JSON fails the test.
std::pair<std::int64_t, std::int64_t> lines_and_lost(std::string_view text) {
  std::int64_t lines = 0, lost = 0;
  for (std::size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1)) {
    const auto line = Json::parse(text.substr(0, end));
    CHECK(line.has_value());
    if ((*line)["event"].string().value() == "log_lines_lost") {
      lost += (*line)["count"].integer().value();
    } else {
      ++lines;
    }
  }
  CHECK_EQ(text, "");
  return {lines, lost};
}

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

TEST(a_log_that_cannot_be_opened_leaves_the_lines_where_they_went_before) {
  const LogFile file(Severity::info);
  log_open("/nonexistent/folder/worker.log", Severity::info);
  log(Severity::info, "goes_on");
  CHECK_CONTAINS(file.text(), "log_not_opened");
  CHECK_CONTAINS(file.text(), "/nonexistent/folder/worker.log");
  CHECK_CONTAINS(file.text(), "goes_on");
  log_reopen();
  log(Severity::info, "and_on");
  CHECK_CONTAINS(file.text(), "and_on");
}

// The limit on a file's size cuts a write as a full disk does.
TEST(on_a_full_disk_lines_are_lost_and_counted_and_none_is_torn) {
  const LogFile file(Severity::info);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  constexpr int kLines = 40;
  const std::string text(100, 'a');
  for (rlim_t room = 900; room < 1200; room += 7) {
    const rlim_t written = file.text().size();
    const rlimit full{written + room, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &full);
    for (int i = 0; i < kLines; ++i) log(Severity::info, "x", {{"text", text}});
    ::setrlimit(RLIMIT_FSIZE, &before);
  }
  log(Severity::info, "room_again");
  const auto [lines, lost] = lines_and_lost(file.text());
  CHECK(lost > 0);
  CHECK_EQ(lines + lost, 43 * kLines + 1);
}

TEST(who_does_not_read_a_pipe_stops_nobody) {
  const std::string path = fmt::format("/tmp/plugfleet-log-pipe-{}", ::getpid());
  CHECK_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  log_open(path, Severity::info);
  constexpr int kLines = 5000;
  for (int i = 0; i < kLines; ++i) log(Severity::info, "x", {{"text", std::string(100, 'a')}});
  std::string text;
  const auto read_all = [&] {
    char bytes[4096];
    for (ssize_t got; (got = ::read(reader, bytes, sizeof bytes)) > 0;)
      text.append(bytes, static_cast<std::size_t>(got));
  };
  read_all();
  log(Severity::info, "read_again");
  read_all();
  ::close(reader);
  ::unlink(path.c_str());
  const auto [lines, lost] = lines_and_lost(text);
  CHECK(lost > 0);
  CHECK_EQ(lines + lost, kLines + 1);
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
