#include "wire/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace plugfleet {
namespace {

template <class Address>
std::string shown(int family, const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(family, &address, text.data(), text.size());
}

}  // namespace

std::string client_network(std::string_view address, int ipv6_prefix) {
  std::string text(address);
  in6_addr bytes{};
  if (::inet_pton(AF_INET6, text.c_str(), &bytes) != 1) return text;
  if (IN6_IS_ADDR_V4MAPPED(&bytes)) return shown(AF_INET, bytes.s6_addr32[3]);
  for (int i = 0; i < 16; ++i) {
    const int bits = std::clamp(ipv6_prefix - 8 * i, 0, 8);
    bytes.s6_addr[i] &= static_cast<std::uint8_t>(0xff << (8 - bits));
  }
  return fmt::format("{}/{}", shown(AF_INET6, bytes), ipv6_prefix);
}

}  // namespace plugfleet
