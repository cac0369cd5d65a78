// Rate limits: so many points a duration for a key, counted for the whole fleet in Redis in one round trip.
//
// A window is fixed: it begins with the first point taken and ends `duration` later, and then everything is given back.
// What is refused takes nothing. With `block`, the first refusal closes the key for at least that long.
//
// When Redis fails, this process counts alone for a second before it asks again: the limit is then one for each
// process, and what Redis had counted is not known. Counted in plugfleet_limit_fallbacks_total.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "io/redis.h"

namespace plugfleet {

struct RateLimit {
  std::int64_t points;
  Clock::duration duration;
  Clock::duration block = 0s;
};

// What the RateLimit-Limit, -Remaining and -Reset headers say (draft-ietf-httpapi-ratelimit-headers-05, section 4);
// reset_after is rounded up, and is also what Retry-After says when refused.
struct LimitState {
  bool allowed;
  std::int64_t limit, remaining;
  std::chrono::seconds reset_after;
};

class RateLimiter {
 public:
  explicit RateLimiter(Redis& redis);
  ~RateLimiter();

  // `key` names the limit and who it is for: "rename:user:123". One key always comes with the same limit. A long key
  // is cut and hashed. `cost` is not negative; 0 only looks. Throws only when the caller is cancelled.
  Async<LimitState> take(std::string key, RateLimit limit, std::int64_t cost = 1);

 private:
  class Memory;
  Async<LimitState> take_one(std::string key, RateLimit limit);

  Redis& redis_;
  std::unique_ptr<Memory> memory_;
  Clock::time_point ask_redis_again_;
};

}  // namespace plugfleet
