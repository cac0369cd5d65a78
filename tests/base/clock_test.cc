#include "base/clock.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

std::string shown(std::int64_t ms) { return rfc3339(WallClock::time_point(milliseconds(ms))); }

}  // namespace

TEST(a_time_is_written_in_UTC_with_three_decimals) {
  CHECK_EQ(shown(0), "1970-01-01T00:00:00.000Z");
  CHECK_EQ(shown(1'772'366'400'123), "2026-03-01T12:00:00.123Z");
  CHECK_EQ(shown(951'782'399'007), "2000-02-28T23:59:59.007Z");
}

TEST(a_time_before_1970_counts_its_parts_upwards_too) {
  CHECK_EQ(shown(-1), "1969-12-31T23:59:59.999Z");
  CHECK_EQ(shown(-1000), "1969-12-31T23:59:59.000Z");
}

TEST(a_duration_in_milliseconds_keeps_its_fraction) { CHECK_EQ(to_ms(std::chrono::microseconds(1500)), 1.5); }
