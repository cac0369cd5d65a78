#include "marketplace/publishing/bundle.h"

#include "support/check.h"

using namespace marketplace;

TEST(plain_paths_may_stand_in_a_bundle) {
  for (const char* path : {"index.html", "assets/app.3f9c01ab.js", "a b/c (1).png", "x/y/z/@2x~.css"})
    CHECK_EQ(wrong_with_path(path).value_or(""), "");
}

TEST(paths_that_lead_elsewhere_or_are_none_on_every_system_may_not) {
  using namespace std::string_view_literals;
  for (const std::string_view path : {""sv,     "/a"sv,       "../a"sv, "a/../b"sv,  "./a"sv,      "a//b"sv, "a/"sv,
                                      "a\\b"sv, "a\0b"sv,     "c:a"sv,  ".env"sv,    "a/.git/x"sv, "a."sv,   "a "sv,
                                      " a"sv,   "\xc3\xa4"sv, "a\nb"sv, "a.js.gz"sv, "a.br"sv,     "a.mjs"sv})
    CHECK(wrong_with_path(path).has_value());
  CHECK(wrong_with_path(std::string(101, 'a')).has_value());
  CHECK(!wrong_with_path(std::string(100, 'a')).has_value());
  std::string deep = "a";
  for (int i = 0; i < 16; ++i) deep += "/a";
  CHECK(wrong_with_path(deep).has_value());
}
