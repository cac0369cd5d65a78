#include "core/settings.h"

#include <fstream>

#include "support/check.h"

using namespace plugfleet;

namespace {

struct Demo {
  std::string greeting, level, secret;
  std::int64_t count = 0;
  Clock::duration patience{};
  std::size_t bytes = 0;
  void rows(SettingReader& s) {
    s.text("GREETING", greeting, "hello");
    s.choice("LEVEL", level, "low", {"low", "high"});
    s.secret("SECRET", secret);
    s.integer("COUNT", count, 4, 1, 9);
    s.duration("PATIENCE", patience, "10s", 1s, 60s);
    s.size("BYTES", bytes, "2KiB", 1024, 1 << 20);
  }
};

Demo read(std::map<std::string, std::string> values) {
  SettingReader reader(std::move(values));
  Demo demo;
  demo.rows(reader);
  reader.finish();
  return demo;
}

std::string complaint(std::map<std::string, std::string> values) {
  try {
    read(std::move(values));
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

std::string platform_complaint(std::map<std::string, std::string> values) {
  SettingReader reader(std::move(values));
  Settings settings;
  settings.rows(reader);
  try {
    reader.finish();
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

}  // namespace

// libpq looks a name up before it gives the reactor anything to wait for.
TEST(a_database_host_that_is_a_name_needs_its_address) {
  for (const char* name : {"DATABASE_URL", "REPORTS_DATABASE_URL", "REPLICA_DATABASE_URL"}) {
    for (const char* wrong : {"host=db.example.com dbname=x", "postgresql://ada@localhost/x", "host=/run/pg,db port=1"})
      CHECK_CONTAINS(platform_complaint({{name, wrong}}), std::string(name) + ": host \"");
    for (const char* right :
         {"", "dbname=x", "host=/run/pgbouncer", "host=10.8.0.5", "host=::1", "host=db hostaddr=10.8.0.5"})
      CHECK(!platform_complaint({{name, right}}).contains(name));
  }
  CHECK_CONTAINS(platform_complaint({{"DATABASE_URL", "no conninfo at all"}}), "DATABASE_URL: missing \"=\"");
}

TEST(defaults_hold_where_nothing_is_said) {
  const Demo demo = read({});
  CHECK_EQ(demo.greeting, "hello");
  CHECK_EQ(demo.count, 4);
  CHECK(demo.patience == 10s);
  CHECK_EQ(demo.bytes, 2048u);
}

TEST(units_are_understood) {
  const Demo demo = read({{"PATIENCE", "1500ms"}, {"BYTES", "1MiB"}});
  CHECK(demo.patience == 1500ms);
  CHECK_EQ(demo.bytes, 1u << 20);
}

TEST(every_wrong_value_is_named_at_once) {
  const std::string said =
      complaint({{"COUNT", "10"}, {"PATIENCE", "5 s"}, {"BYTES", "1"}, {"LEVEL", "mid"}, {"NO_SUCH", "1"}});
  for (const char* part :
       {"COUNT: must be a whole number from 1 to 9, not \"10\"", "PATIENCE: must be a duration such as 10s",
        "BYTES: must be a size", "LEVEL: must be one of low|high", "NO_SUCH: there is no such setting"}) {
    CHECK_CONTAINS(said, part);
  }
  CHECK_CONTAINS(complaint({{"COUNT", "4x"}}), "COUNT");
  CHECK_CONTAINS(complaint({{"COUNT", ""}}), "COUNT");
}

TEST(a_file_is_read_with_comments_and_the_environment_goes_before_it) {
  char name[] = "/tmp/plugfleet-settings-XXXXXX";
  ::close(::mkstemp(name));
  std::ofstream(name) << "# a comment\n\n GREETING = good day \nCOUNT=5\n";
  ::setenv("PLUGFLEET_COUNT", "6", 1);
  SettingReader reader{std::string(name)};
  ::unsetenv("PLUGFLEET_COUNT");
  ::unlink(name);
  Demo demo;
  demo.rows(reader);
  CHECK_EQ(demo.greeting, "good day");
  CHECK_EQ(demo.count, 6);
}

TEST(a_secret_may_stand_in_a_file_of_its_own_and_is_never_shown) {
  char name[] = "/tmp/plugfleet-secret-XXXXXX";
  ::close(::mkstemp(name));
  std::ofstream(name) << "the secret\n";
  SettingReader reader({{"SECRET_FILE", name}});
  Demo demo;
  demo.rows(reader);
  ::unlink(name);
  CHECK_EQ(demo.secret, "the secret");
  for (const SettingRow& row : reader.rows()) CHECK(row.default_value.find("the secret") == std::string::npos);
  CHECK_CONTAINS(complaint({{"SECRET_FILE", "/nowhere"}}), "SECRET_FILE: cannot read /nowhere");
}

TEST(a_byte_order_mark_is_dropped_wherever_a_value_comes_from) {
  char name[] = "/tmp/plugfleet-marked-XXXXXX";
  ::close(::mkstemp(name));
  std::ofstream(name) << "\xEF\xBB\xBFGREETING=\xEF\xBB\xBFgood day\nCOUNT=5\n";
  SettingReader file{std::string(name)};
  Demo demo;
  demo.rows(file);
  file.finish();
  CHECK_EQ(demo.greeting, "good day");
  CHECK_EQ(demo.count, 5);
  std::ofstream(name) << "\xEF\xBB\xBFthe secret\r\n";
  CHECK_EQ(read({{"SECRET_FILE", name}}).secret, "the secret");
  CHECK_EQ(read({{"SECRET", "\xEF\xBB\xBFthe secret"}}).secret, "the secret");
  std::ofstream(name) << std::string("\xFF\xFEk\0e\0y\0\n\0", 10);
  CHECK_EQ(complaint({{"SECRET_FILE", name}}),
           fmt::format("SECRET_FILE: {} is written in UTF-16, and must be in UTF-8", name));
  ::unlink(name);
}

TEST(quotation_marks_around_a_value_are_no_part_of_it_and_those_of_a_secret_are) {
  const Demo demo = read({{"GREETING", "\"good day\""}, {"LEVEL", "'high'"}, {"COUNT", "\"5\""}, {"SECRET", "\"s\""}});
  CHECK_EQ(demo.greeting, "good day");
  CHECK_EQ(demo.level, "high");
  CHECK_EQ(demo.count, 5);
  CHECK_EQ(demo.secret, "\"s\"");
  CHECK_EQ(read({{"GREETING", "\""}}).greeting, "\"");
  CHECK_EQ(read({{"GREETING", "\"say\" 'it'"}}).greeting, "\"say\" 'it'");
}

TEST(rules_over_several_settings_are_kept) {
  CHECK_CONTAINS(platform_complaint({{"JWT_ALG", "HS256"}, {"JWT_SECRET", "x"}}), "JWT_ISSUER and JWT_AUDIENCE");
  CHECK_CONTAINS(platform_complaint({{"AI_PROVIDER", "gemini"}}),
                 "GEMINI_API_KEY: must be set where AI_PROVIDER names it");
  CHECK_EQ(platform_complaint({{"AI_PROVIDER", "gemini"}, {"GEMINI_API_KEY", "k"}}), "");
}
