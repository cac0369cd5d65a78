// Digests, in lower-case hexadecimal.
#pragma once

#include <string>
#include <string_view>

namespace plugfleet {

std::string sha1_hex(std::string_view bytes);    // for names only: it is broken as a proof
std::string sha256_hex(std::string_view bytes);  // FIPS 180-4; about 1 ms for a megabyte

}  // namespace plugfleet
