// Many awaits at once, with a bound, a deadline and no one left behind.
#pragma once

#include <functional>

#include "io/reactor.h"

namespace plugfleet {

struct ParallelBounds {
  std::size_t width = 10;                                 // at most this many at once
  Clock::time_point deadline = Clock::time_point::max();  // none is started later; those under way are cancelled
};

// Awaits each(0), each(1), ... each(count - 1). Returns, or throws, only when none is running any more: what they refer
// to may live in the caller. The first exception one of them lets out cancels the others and is thrown; those that the
// deadline cancelled end silently. `each` must not be a capturing coroutine lambda: let it call one with parameters.
Async<void> for_each_parallel(Reactor& reactor, std::size_t count, ParallelBounds bounds,
                              std::function<Async<void>(std::size_t)> each);

// Runs both at the same time, `one` first, until one of them gives true, which cancels the other; where one gives false
// the other runs to its end. Returns, or throws, only when neither is running any more: what they refer to may live in
// the caller. The first exception one of them lets out cancels the other and is thrown.
Async<void> first_of_two(Reactor& reactor, Async<bool> one, Async<bool> other);

}  // namespace plugfleet
