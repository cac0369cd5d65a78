// When something is due: crontab(5)'s five fields "minute hour day-of-month month day-of-week", in UTC. Pure: knows no
// clock, waits for nothing (host/cron_runs.h does).
//
// A field is a list of *, numbers, names (jan-dec, sun-sat) and ranges, each with an optional /step: "0,30 8-18/2 * *
// mon-fri". Sunday is 0 and 7. Where day-of-month and day-of-week both begin with something else than *, a day that is
// one of them will do (crontab(5), NOTES).
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace plugfleet {

class CronSchedule {
 public:
  using Time = std::chrono::sys_seconds;

  // Throws Failure(internal) saying what is wrong: a field, or that such a day never comes.
  explicit CronSchedule(std::string_view text);

  // The first time after `time`, exclusive; a whole minute.
  Time next(Time time) const;
  // The last of its times in (`after`, `until`], if there is one; `after` where there is none.
  Time last_in(Time after, Time until) const;

 private:
  using Set = std::uint64_t;  // bit n: n is in it

  bool has_day(std::chrono::sys_days day) const;

  Set minutes_, hours_, days_, months_, weekdays_;
  bool either_day_;  // day-of-month or day-of-week will do
};

}  // namespace plugfleet
