// UTF-8 (RFC 3629): overlong forms, surrogates and anything past U+10FFFF are refused.
#pragma once

#include <string>
#include <string_view>

namespace plugfleet {

// Bytes of the one code point that `text` starts with; 0 where it starts with none.
std::size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

// `text` with U+FFFD for every byte that is not UTF-8.
std::string utf8_repaired(std::string_view text);

// Appends a code point. Half of a surrogate pair becomes three bytes that are not UTF-8.
void append_utf8(std::string& out, char32_t point);

// `text` without the byte order mark that some editors put before it.
std::string_view without_mark(std::string_view text);

// Code points in valid UTF-8.
std::size_t utf8_count(std::string_view text);

// The first `count` code points.
std::string_view utf8_prefix(std::string_view text, std::size_t count);

}  // namespace plugfleet
