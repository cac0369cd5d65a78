// Base64 as RFC 4648, section 4, writes it: the standard alphabet, no line breaks, no other characters. The padding may
// be left out whole, but not in part; the bits that pad the last character must be zero (section 3.5), so that each
// value has one spelling. Pure; it never throws but for memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugfleet {

// True for exactly the texts that decode_base64 accepts; several gigabytes a second, nothing is allocated.
bool is_base64(std::string_view text);

// Nothing when `text` is not Base64.
std::optional<std::vector<std::uint8_t>> decode_base64(std::string_view text);

// The first `count` bytes, or all where there are fewer. What follows the characters they need is not looked at.
std::optional<std::vector<std::uint8_t>> decode_base64_prefix(std::string_view text, std::size_t count);

// Base64url (section 5) without padding, as tokens and keys are written (RFC 7515, section 2): padding, foreign
// characters and unused bits that are set are refused, so that each value has one spelling. The text has room for
// `room` bytes more.
std::optional<std::string> decode_base64url(std::string_view text, std::size_t room = 0);

// With padding.
std::string encode_base64(std::span<const std::uint8_t> bytes);
// Without.
std::string encode_base64url(std::span<const std::uint8_t> bytes);

}  // namespace plugfleet
