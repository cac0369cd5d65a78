#include "core/new_token.h"

#include <array>

#include "base/ids.h"
#include "wire/base64.h"

namespace plugfleet {

std::string new_token(std::string_view prefix) {
  std::array<std::uint8_t, 32> bytes;
  fill_random(bytes);
  return std::string(prefix) + encode_base64url(bytes);
}

}  // namespace plugfleet
