#include "core/cron.h"

#include "base/clock.h"
#include "base/failure.h"
#include "support/check.h"

using namespace plugfleet;
using std::chrono::sys_days;

namespace {

// "2026-03-01 12:05", in UTC.
CronSchedule::Time at(const char* text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0;
  CHECK_EQ(std::sscanf(text, "%d-%d-%d %d:%d", &year, &month, &day, &hour, &minute), 5);
  return sys_days(std::chrono::year(year) / month / day) + std::chrono::hours(hour) + std::chrono::minutes(minute);
}

std::string shown(CronSchedule::Time time) { return rfc3339(time).substr(0, 16).replace(10, 1, " "); }

std::string after(const char* schedule, const char* time) { return shown(CronSchedule(schedule).next(at(time))); }

std::string refusal(const char* schedule) {
  try {
    const CronSchedule taken(schedule);
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

}  // namespace

TEST(every_minute_is_the_next_whole_minute) {
  CHECK_EQ(after("* * * * *", "2026-03-01 12:05"), "2026-03-01 12:06");
  CHECK_EQ(shown(CronSchedule("* * * * *").next(at("2026-03-01 12:05") + 59s)), "2026-03-01 12:06");
  CHECK_EQ(after("* * * * *", "2026-12-31 23:59"), "2027-01-01 00:00");
}

TEST(a_time_does_not_follow_itself) {
  CHECK_EQ(after("15 0 * * *", "2026-03-01 00:14"), "2026-03-01 00:15");
  CHECK_EQ(after("15 0 * * *", "2026-03-01 00:15"), "2026-03-02 00:15");
}

TEST(lists_ranges_and_steps_are_understood) {
  CHECK_EQ(after("*/20 * * * *", "2026-03-01 12:20"), "2026-03-01 12:40");
  CHECK_EQ(after("*/20 * * * *", "2026-03-01 12:40"), "2026-03-01 13:00");
  CHECK_EQ(after("5,10-20/5,59 3 * * *", "2026-03-01 03:10"), "2026-03-01 03:15");
  CHECK_EQ(after("5,10-20/5,59 3 * * *", "2026-03-01 03:20"), "2026-03-01 03:59");
  CHECK_EQ(after("0 8-18/4 * * *", "2026-03-01 12:00"), "2026-03-01 16:00");
  CHECK_EQ(after("0 8-18/4 * * *", "2026-03-01 16:00"), "2026-03-02 08:00");
  CHECK_EQ(after(" 30  2 *  * * ", "2026-03-01 12:00"), "2026-03-02 02:30");
}

TEST(months_and_weekdays_have_names) {
  CHECK_EQ(after("0 0 1 feb,JUL *", "2026-03-01 12:00"), "2026-07-01 00:00");
  CHECK_EQ(after("0 9 * * mon-fri", "2026-03-06 09:00"), "2026-03-09 09:00");  // a Friday
}

TEST(sunday_is_0_and_7) {
  for (const char* const schedule : {"0 0 * * 0", "0 0 * * 7", "0 0 * * sun"})
    CHECK_EQ(after(schedule, "2026-03-01 00:00"), "2026-03-08 00:00");
  CHECK_EQ(after("0 0 * * 6-7", "2026-03-07 00:00"), "2026-03-08 00:00");
}

TEST(a_short_month_is_passed_over) {
  CHECK_EQ(after("0 0 31 * *", "2026-01-31 00:00"), "2026-03-31 00:00");
  CHECK_EQ(after("0 0 30 * *", "2026-01-30 12:00"), "2026-03-30 00:00");
}

TEST(the_29th_of_february_comes_in_leap_years) {
  CHECK_EQ(after("0 0 29 2 *", "2026-03-01 00:00"), "2028-02-29 00:00");
  CHECK_EQ(after("0 0 29 2 *", "2096-02-29 00:00"), "2104-02-29 00:00");  // 2100 is none
  CHECK_EQ(after("59 23 28-29 2 *", "2028-02-28 23:59"), "2028-02-29 23:59");
}

// crontab(5): "the command will be run when either field matches the current time".
TEST(a_day_of_month_or_a_day_of_week_will_do) {
  CHECK_EQ(after("30 4 1,15 * 5", "2026-03-02 00:00"), "2026-03-06 04:30");  // a Friday
  CHECK_EQ(after("30 4 1,15 * 5", "2026-03-13 05:00"), "2026-03-15 04:30");  // a Sunday, but the 15th
  CHECK_EQ(after("30 4 * * 5", "2026-03-13 05:00"), "2026-03-20 04:30");     // only one of them is said
  CHECK_EQ(after("30 4 15 * *", "2026-03-15 05:00"), "2026-04-15 04:30");
}

// A field that begins with * restricts what the other says: the first Monday's week, by halves.
TEST(a_step_of_all_days_and_a_weekday_must_both_hold) {
  CHECK_EQ(after("0 0 */2 * mon", "2026-03-02 00:00"), "2026-03-09 00:00");  // the 9th is odd, the 2nd and 16th even
  CHECK_EQ(after("0 0 */2 * mon", "2026-03-09 00:00"), "2026-03-23 00:00");
}

TEST(the_last_time_of_a_span_is_found) {
  const CronSchedule hourly("0 * * * *");
  CHECK_EQ(shown(hourly.last_in(at("2026-03-01 10:30"), at("2026-03-01 13:30"))), "2026-03-01 13:00");
  CHECK_EQ(shown(hourly.last_in(at("2026-03-01 10:30"), at("2026-03-01 11:00"))), "2026-03-01 11:00");
  CHECK_EQ(shown(hourly.last_in(at("2026-03-01 10:00"), at("2026-03-01 10:59"))), "2026-03-01 10:00");  // none
}

TEST(what_is_no_schedule_is_refused_with_its_field) {
  CHECK_CONTAINS(refusal(""), "0 fields");
  CHECK_CONTAINS(refusal("* * * *"), "4 fields");
  CHECK_CONTAINS(refusal("* * * * * *"), "6 fields");
  CHECK_CONTAINS(refusal("60 * * * *"), "minute is \"60\"");
  CHECK_CONTAINS(refusal("* 24 * * *"), "hour is \"24\"");
  CHECK_CONTAINS(refusal("* * 0 * *"), "day of month is \"0\"");
  CHECK_CONTAINS(refusal("* * * 13 *"), "month is \"13\"");
  CHECK_CONTAINS(refusal("* * * mai *"), "month is \"mai\"");
  CHECK_CONTAINS(refusal("* * * * 8"), "day of week is \"8\"");
  for (const char* const minute :
       {"1,", ",1", "-1", "1-", "5-1", "*/0", "*/", "5/2", "1-2-3", "1/2/3", "x", "+1", "1.5", "**"})
    CHECK_CONTAINS(refusal(fmt::format("{} * * * *", minute).c_str()), "its minute is");
}

TEST(a_day_that_never_comes_is_refused) {
  CHECK_CONTAINS(refusal("0 0 31 2,4,6 *"), "never comes");
  CHECK_EQ(refusal("0 0 29 2 *"), "");
}
