// Where a Redis is, as settings name it:
//
//   /run/plugfleet/redis/state.sock                                 a unix socket's path
//   10.8.0.1:6379                                                   an address ([::1]:6379 of IPv6)
//   sentinel://10.8.0.1:26379,10.8.0.2:26379,10.8.0.3:26379/state   whoever those sentinels call the master of "state"
//
// Addresses are numbers: a process must not wait while a name is looked up.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugfleet {

struct RedisAddress {
  struct Place {
    std::string host;
    int port = 0;
  };

  std::string path;           // of a unix socket, where there are no places
  std::vector<Place> places;  // the Redis's one, or the sentinels'
  std::string master;         // by what name the sentinels know it; empty: there are none
};

// None where it is none of the three. An empty text is an empty path, where no Redis is.
std::optional<RedisAddress> parse_redis_address(std::string_view text);

// "10.8.0.1:6379". None where the host is not a number.
std::optional<RedisAddress::Place> parse_redis_place(std::string_view text);

}  // namespace plugfleet
