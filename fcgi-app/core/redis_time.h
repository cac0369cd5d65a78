// For scripts that Redis runs: what they begin with where a wait is told by a key's time to live.
#pragma once

#include <string_view>

namespace plugfleet {

// time_left(key, most): the key's time to live in ms, as PTTL says it. Redis keeps the hour at which a key ends: when
// its clock is set back, the key would live longer by as much. No more than `most` is believed, and the key ends then.
inline constexpr std::string_view kTimeLeft = R"lua(
  local function time_left(key, most)
    local left = redis.call('PTTL', key)
    if left <= tonumber(most) then return left end
    redis.call('PEXPIRE', key, most)
    return tonumber(most)
  end
)lua";

}  // namespace plugfleet
