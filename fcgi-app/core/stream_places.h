// How many event streams may be open: so many in a process, so many for each client in the whole fleet.
//
// A client's streams are a sorted set in Redis: each a member whose score is the end of its lease, so that those of a
// process that died are forgotten. While Redis is down each process counts alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/redis.h"

namespace plugfleet {

struct StreamLimits {
  std::int64_t process = 5000;
  std::int64_t client = 20;
};

class StreamPlaces {
 public:
  StreamPlaces(Reactor& reactor, Redis& redis, StreamLimits limits, Clock::duration lease = 120s);
  ~StreamPlaces();
  StreamPlaces(const StreamPlaces&) = delete;

  // Given back when it is destroyed.
  using Place = std::shared_ptr<void>;
  // Throws Failure: unavailable where the process is full, rate_limited where the client has its number.
  Async<Place> take(std::string client);

  std::int64_t taken() const;

 private:
  struct State;
  class Held;
  std::shared_ptr<State> state_;
};

}  // namespace plugfleet
