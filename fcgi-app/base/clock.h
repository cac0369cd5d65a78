// Time. Durations are measured on the monotonic clock; only what people read is wall-clock time, always in UTC.
#pragma once

#include <chrono>
#include <string>

namespace plugfleet {

using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;
using WallClock = std::chrono::system_clock;
using std::chrono::milliseconds;

// "2026-03-01T12:00:00.123Z" (RFC 3339 section 5.6).
std::string rfc3339(WallClock::time_point when);

inline double to_ms(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

}  // namespace plugfleet
