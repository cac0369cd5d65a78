// What stands between the quotes of a JSON string, and what it says (RFC 8259, section 7). Pure; nothing is thrown but
// for memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace plugfleet {

enum class Escapes : std::uint8_t {
  none,     // it says what stands there
  exact,    // each is a character
  lossy,    // one is a NUL or half of a surrogate pair (section 8.2): JSON may hold them, text that is kept may not
  unknown,  // one is none of JSON's
};

Escapes escapes_in(std::string_view raw);

// U+FFFD stands for a NUL and for half of a surrogate pair, and what follows its backslash for an escape that is none
// of JSON's. Never longer than `raw`.
std::string unescaped(std::string_view raw);
// The same, but a NUL is a NUL, and half of a pair is three bytes that are not UTF-8: two such texts are equal only
// where two strings are.
std::string unescaped_exactly(std::string_view raw);

}  // namespace plugfleet
