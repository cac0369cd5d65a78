#include "wire/address.h"

#include "support/check.h"

using namespace plugfleet;

TEST(an_ipv4_address_is_itself_however_it_is_written) {
  for (const char* address : {"203.0.113.5", "::ffff:203.0.113.5", "::FFFF:203.0.113.5", "::ffff:cb00:7105",
                              "0:0:0:0:0:ffff:203.0.113.5", "0000:0000:0000:0000:0000:ffff:cb00:7105"}) {
    CHECK_EQ(client_network(address, 64), "203.0.113.5");
  }
  CHECK_EQ(client_network("::ffff:203.0.113.6", 32), "203.0.113.6");
}

TEST(the_addresses_of_an_ipv6_network_are_one_client) {
  for (const char* address : {"2001:db8:1:2::", "2001:db8:1:2::1", "2001:DB8:1:2:ffff:ffff:ffff:ffff",
                              "2001:0db8:0001:0002:0000:0000:0000:0001", "2001:db8:1:2::203.0.113.5"}) {
    CHECK_EQ(client_network(address, 64), "2001:db8:1:2::/64");
  }
  CHECK_EQ(client_network("2001:db8:1:3::1", 64), "2001:db8:1:3::/64");
  CHECK_EQ(client_network("::1", 64), "::/64");
}

TEST(a_network_has_as_many_bits_as_the_setting_says) {
  const char* const address = "2001:db8:1:abcd:f000::1";
  CHECK_EQ(client_network(address, 128), "2001:db8:1:abcd:f000::1/128");
  CHECK_EQ(client_network(address, 56), "2001:db8:1:ab00::/56");
  CHECK_EQ(client_network(address, 60), "2001:db8:1:abc0::/60");
  CHECK_EQ(client_network(address, 32), "2001:db8::/32");
}

TEST(what_is_no_address_counts_as_it_is_written) {
  for (const char* text : {"", "unix:", "somewhere", "1.2.3", "2001:db8::1::2"})
    CHECK_EQ(client_network(text, 64), text);
}
