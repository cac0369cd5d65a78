// Addresses of http and https (RFC 3986, section 3). Pure functions over text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace plugfleet {

// The parts of SCHEME://[USER@]HOST[:PORT][/PATH], scheme and host in small letters, the path without slashes at its end.
struct Url {
  std::string scheme, user, host, port, path;

  // Without the user.
  std::string text() const;
  // Whether its host is this machine: 127.0.0.0/8, ::1, localhost and names below that.
  bool is_loopback() const;
};

// None where it is not one that a request can be sent to as it stands. It has no query and no fragment.
std::optional<Url> parse_url(std::string_view text);

// Whether nobody on the way reads or changes what is asked of it: https, or this machine. No user's name in it.
bool is_private_url(std::string_view text);

}  // namespace plugfleet
