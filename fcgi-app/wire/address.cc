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

template <class Address>
bool read(int family, std::string_view text, Address& address) {
  return ::inet_pton(family, std::string(text).c_str(), &address) == 1;
}

}  // namespace

bool is_ipv4(std::string_view text) {
  in_addr bytes;
  return read(AF_INET, text, bytes);
}

bool is_ipv6(std::string_view text) {
  in6_addr bytes;
  return read(AF_INET6, text, bytes);
}

bool is_loopback_address(std::string_view text) {
  if (is_ipv4(text)) return text.starts_with("127.");
  in6_addr bytes;
  return read(AF_INET6, text, bytes) && IN6_IS_ADDR_LOOPBACK(&bytes);
}

std::string client_network(std::string_view address, int ipv6_prefix) {
  in6_addr bytes{};
  if (!read(AF_INET6, address, bytes)) return std::string(address);
  if (IN6_IS_ADDR_V4MAPPED(&bytes)) return shown(AF_INET, bytes.s6_addr32[3]);
  for (int i = 0; i < 16; ++i) {
    const int bits = std::clamp(ipv6_prefix - 8 * i, 0, 8);
    bytes.s6_addr[i] &= static_cast<std::uint8_t>(0xff << (8 - bits));
  }
  return fmt::format("{}/{}", shown(AF_INET6, bytes), ipv6_prefix);
}

}  // namespace plugfleet
