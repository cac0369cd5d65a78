// Internet addresses as text.
#pragma once

#include <string>
#include <string_view>

namespace plugfleet {

// Numbers with dots or colons, as inet_pton(3) reads them.
bool is_ipv4(std::string_view text);
bool is_ipv6(std::string_view text);
inline bool is_ip_address(std::string_view text) { return is_ipv4(text) || is_ipv6(text); }
// 127.0.0.0/8 and ::1 (RFC 6890).
bool is_loopback_address(std::string_view text);

// Whose requests are counted together: an IPv4 address, also where it comes as an IPv6 one (::ffff:203.0.113.5), or an
// IPv6 network of so many bits, for a client has all of its addresses to choose from. What is not an address counts as it
// is written. nginx counts by the same rule ($client_network in conf/nginx).
std::string client_network(std::string_view address, int ipv6_prefix);

}  // namespace plugfleet
