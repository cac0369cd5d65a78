// Internet addresses as text.
#pragma once

#include <string>
#include <string_view>

namespace plugfleet {

// Whose requests are counted together: an IPv4 address, also where it comes as an IPv6 one (::ffff:203.0.113.5), or an
// IPv6 network of so many bits, for a client has all of its addresses to choose from. What is no address counts as it
// is written. nginx counts by the same rule ($client_network in conf/nginx).
std::string client_network(std::string_view address, int ipv6_prefix);

}  // namespace plugfleet
