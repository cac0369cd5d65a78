#include "support/check.h"

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

extern "C" {
#include <cmocka.h>
}
#undef fail

namespace plugfleet::test {
namespace {

struct Case {
  const char* name;
  void (*body)();
};

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

// Runs one test and gives back why it failed, or nothing. No C++ frame is left when CMocka longjmps afterwards.
void reason_of(const Case& test, char* reason, std::size_t size) {
  std::string text;
  try {
    test.body();
  } catch (const std::exception& failure) {
    text = dynamic_cast<const CheckFailed*>(&failure) ? failure.what() : std::string("escaped: ") + failure.what();
  } catch (...) {
    text = "escaped: something that is not a std::exception";
  }
  std::strncpy(reason, text.c_str(), size - 1);
}

void run_case(void** state) {
  char reason[2048] = {};
  reason_of(*static_cast<const Case*>(*state), reason, sizeof reason);
  if (*reason) {
    print_error("%s\n", reason);
    _fail("", 0);
  }
}

}  // namespace

Registration::Registration(const char* name, void (*body)()) { cases().push_back({name, body}); }

void fail(const std::string& why, std::source_location where) {
  throw CheckFailed(fmt::format("{}:{}: {}", where.file_name(), where.line(), why));
}

}  // namespace plugfleet::test

// With an argument, runs only the tests whose name contains it.
int main(int argc, char** argv) {
  using plugfleet::test::cases;
  std::vector<CMUnitTest> tests;
  for (auto& test : cases()) {
    if (argc > 1 && !std::strstr(test.name, argv[1])) continue;
    tests.push_back({test.name, plugfleet::test::run_case, nullptr, nullptr, &test});
  }
  return _cmocka_run_group_tests(argv[0], tests.data(), tests.size(), nullptr, nullptr);
}
