// What whoever holds it may come in with: 256 random bits that nobody guesses. A database has its SHA-256 alone.
#pragma once

#include <string>
#include <string_view>

namespace plugfleet {

inline constexpr std::size_t kTokenRandomLength = 43;

// The prefix, which says what it is of, and 43 characters of Base64url.
std::string new_token(std::string_view prefix);

}  // namespace plugfleet
