// Times in the scripts that Redis runs, where a wait is told by a key's time to live.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace plugfleet {

// Whole milliseconds as an argument, rounded up; what has passed is 0.
inline std::string ms_text(Clock::duration duration) {
  return fmt::format_int(std::max<std::int64_t>(std::chrono::ceil<milliseconds>(duration).count(), 0)).str();
}

// What a script begins with. time_left(key, most): the key's time to live in ms, as PTTL says it. Redis keeps the hour at
// which a key ends: when its clock is set back, the key would live longer by as much. No more than `most` is believed, and
// the key ends then.
inline constexpr std::string_view kTimeLeft = R"lua(
  local function time_left(key, most)
    local left = redis.call('PTTL', key)
    if left <= tonumber(most) then return left end
    redis.call('PEXPIRE', key, most)
    return tonumber(most)
  end
)lua";

}  // namespace plugfleet
