// Identifiers nobody can guess: every bit comes from the kernel's generator.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace plugfleet {

void fill_random(std::span<std::uint8_t> bytes);
std::uint64_t random_u64();

std::string random_hex(std::size_t bytes);
std::string uuid_v4();  // RFC 9562 section 5.4: 122 random bits
// In lower case, as PostgreSQL writes it; none where `text` is not a UUID.
std::optional<std::string> canonical_uuid(std::string_view text);

}  // namespace plugfleet
