// The test vocabulary: CMocka runs the tests and reports; checks throw, so that C++ unwinds as it should.
//
// CMocka's own assertions longjmp past destructors. Ours throw CheckFailed, which support/check.cc catches at the
// edge of the test and only there hands to CMocka. Any other exception that escapes fails that one test.
//
//   TEST(an_expired_token_is_refused) { CHECK_EQ(verify(token).error(), "expired"); }
#pragma once

#include <fmt/format.h>

#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace plugfleet::test {

struct CheckFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Registration {
  Registration(const char* name, void (*body)());
};

[[noreturn]] void fail(const std::string& why, std::source_location where = std::source_location::current());

template <class T>
std::string shown(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return fmt::format("{}", static_cast<long>(value));
  } else if constexpr (fmt::is_formattable<T>::value) {
    return fmt::format("{}", value);
  } else {
    return "(a value)";
  }
}

template <class A, class B>
void check_equal(const A& actual, const B& expected, const char* text,
                 std::source_location where = std::source_location::current()) {
  if (!(actual == expected)) fail(fmt::format("{}: {} is not {}", text, shown(actual), shown(expected)), where);
}

}  // namespace plugfleet::test

#define TEST(name)                                                             \
  static void name();                                                          \
  static const ::plugfleet::test::Registration registered_##name{#name, name}; \
  static void name()
#define CHECK(condition)                                   \
  do {                                                     \
    if (!(condition)) ::plugfleet::test::fail(#condition); \
  } while (false)
#define CHECK_EQ(actual, expected) ::plugfleet::test::check_equal((actual), (expected), #actual)
#define CHECK_CONTAINS(text, part)                                                     \
  do {                                                                                 \
    const std::string text_ = (text);                                                  \
    if (text_.find(part) == std::string::npos)                                         \
      ::plugfleet::test::fail(fmt::format("{} holds no {}: {}", #text, #part, text_)); \
  } while (false)
#define CHECK_THROWS(type, expression)                                      \
  do {                                                                      \
    bool thrown_ = false;                                                   \
    try {                                                                   \
      (void)(expression);                                                   \
    } catch (const type&) {                                                 \
      thrown_ = true;                                                       \
    }                                                                       \
    if (!thrown_) ::plugfleet::test::fail(#expression " throws no " #type); \
  } while (false)
