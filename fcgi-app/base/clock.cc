#include "base/clock.h"

#include <fmt/format.h>

#include <ctime>

namespace plugfleet {

std::string rfc3339(WallClock::time_point when) {
  const auto since_epoch = std::chrono::floor<milliseconds>(when.time_since_epoch()).count();
  const std::time_t seconds =
      static_cast<std::time_t>(since_epoch >= 0 ? since_epoch / 1000 : (since_epoch - 999) / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, since_epoch - static_cast<long long>(seconds) * 1000);
}

}  // namespace plugfleet
