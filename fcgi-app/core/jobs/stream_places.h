// How many event streams may be open: so many in a process, so many for each client in the whole fleet. Nobody is
// refused for what he has open: the newest stream of a client takes the place of one whose process has died, else of
// his oldest, for the one he wants is the one he opens now.
//
// A client's places are a sorted set in Redis, the oldest first, and no clock orders them. A process says every now and
// then which it has, so that a Redis that forgot them is told again. While Redis is down each process counts alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "io/redis.h"

namespace plugfleet {

class JobEvents;

struct StreamLimits {
  std::int64_t process = 5000;
  std::int64_t client = 20;
};

// Given back when it is destroyed.
class StreamPlace {
 public:
  virtual ~StreamPlace() = default;
  // Calls `tell`, once, when a newer stream has taken this place; at once where one has already.
  virtual void on_displaced(std::function<void()> tell) = 0;
};

class StreamPlaces {
 public:
  // What it is given outlives it. `events` carries from process to process what was displaced.
  StreamPlaces(Reactor& reactor, Redis& redis, JobEvents& events, StreamLimits limits, Clock::duration lease = 120s);
  ~StreamPlaces();
  StreamPlaces(const StreamPlaces&) = delete;

  // Throws Failure: unavailable where the process is full.
  Async<std::shared_ptr<StreamPlace>> take(std::string client);

  std::int64_t taken() const;

 private:
  struct State;
  class Held;
  std::shared_ptr<State> state_;
};

}  // namespace plugfleet
