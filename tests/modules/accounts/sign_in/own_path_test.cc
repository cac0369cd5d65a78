#include "accounts/sign_in/own_path.h"

#include <string>

#include "support/check.h"

using accounts::is_own_path;

TEST(a_path_of_ours_is_taken_as_it_is) {
  for (const char* path :
       {"/", "/market", "/market?q=a%20b&c=//d#e", "/a//b", "/@evil.example", "/%2f/evil.example", "/.//a"})
    CHECK(is_own_path(path));
}

TEST(what_a_browser_could_take_for_another_host_is_none) {
  for (const char* path :
       {"", "market", "//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example", "/a\\b",
        "https://evil.example", "javascript:alert(1)", " //evil.example", "/\t/evil.example", "/\n/evil.example",
        "/a b", "/a\r\nSet-Cookie: a=b", "/\xc3\xa9", "/\x7f"})
    CHECK(!is_own_path(path));
  CHECK(!is_own_path(std::string(1, '/') + std::string(1000, 'a')));
}
