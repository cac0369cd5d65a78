#include "io/redis_address.h"

#include "support/check.h"

using namespace plugfleet;

TEST(a_path_is_a_unix_socket) {
  for (const char* path : {"/run/plugfleet/redis/state.sock", "redis.sock", "run/odd:1.sock", ""}) {
    const auto address = parse_redis_address(path);
    CHECK(address && address->path == path && address->places.empty() && address->master.empty());
  }
}

TEST(a_number_and_a_port_is_one_redis) {
  const auto four = parse_redis_address("10.8.0.1:6379"), six = parse_redis_address("[fd00::1]:6380");
  CHECK(four && four->path.empty() && four->places.size() == 1 && four->master.empty());
  CHECK(four->places[0].host == "10.8.0.1" && four->places[0].port == 6379);
  CHECK(six && six->places[0].host == "fd00::1" && six->places[0].port == 6380);
}

TEST(sentinels_are_named_in_order_with_their_masters_name) {
  const auto address = parse_redis_address("sentinel://10.8.0.1:26379,10.8.0.2:26380/state");
  CHECK(address && address->places.size() == 2u && address->master == "state");
  CHECK(address->places[1].host == "10.8.0.2" && address->places[1].port == 26380);
}

TEST(anything_else_is_no_address) {
  for (const char* text : {"redis.example.org:6379", "10.8.0.1:", "10.8.0.1:0", "10.8.0.1:65536", "10.8.0.1:6379x",
                           "10.8.0:6379", "sentinel://10.8.0.1:26379", "sentinel://10.8.0.1:26379/",
                           "sentinel:///state", "sentinel://10.8.0.1:26379,/state", "sentinel://redis1:26379/state"}) {
    if (parse_redis_address(text)) test::fail(text);
  }
}
