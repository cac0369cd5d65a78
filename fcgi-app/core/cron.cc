#include "core/cron.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.h"
#include "base/text.h"

namespace plugfleet {
namespace {

using namespace std::chrono;

// The 29th of February on one weekday comes every 28 years, but for a year like 2100: 40 then.
constexpr auto kLongest = days(41 * 366);

struct FieldRule {
  std::string_view name;
  unsigned least, most;
  std::string_view names;  // three letters each, the first one is `least`
};
constexpr std::array<FieldRule, 5> kFields = {{{"minute", 0, 59, ""},
                                               {"hour", 0, 23, ""},
                                               {"day of month", 1, 31, ""},
                                               {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                               {"day of week", 0, 7, "sunmontuewedthufrisat"}}};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<unsigned> value_of(std::string_view text, const FieldRule& rule) {
  const std::string small = lower(text);
  for (std::size_t i = 0; i < rule.names.size(); i += 3) {
    if (small == rule.names.substr(i, 3)) return rule.least + static_cast<unsigned>(i / 3);
  }
  return number_in<unsigned>(text, rule.least, rule.most);
}

// One element of a list: *, a value or a range, with a step or without. None: it is none of these.
std::optional<std::uint64_t> element(std::string_view text, const FieldRule& rule) {
  const auto range_and_step = split(text, '/');
  const auto ends = split(range_and_step[0], '-');
  const bool all = range_and_step[0] == "*";
  if (range_and_step.size() > 2 || ends.size() > 2) return std::nullopt;
  const bool single = !all && ends.size() == 1;
  if (single && range_and_step.size() == 2) return std::nullopt;  // a step of what?
  const auto first = all ? rule.least : value_of(ends.front(), rule);
  const auto last = all ? rule.most : value_of(ends.back(), rule);
  const auto step = range_and_step.size() == 2 ? number_in<unsigned>(range_and_step[1]) : 1;
  if (!first || !last || !step || *first > *last || *step == 0 || *step > rule.most) return std::nullopt;
  std::uint64_t set = 0;
  for (unsigned value = *first; value <= *last; value += *step) set |= std::uint64_t{1} << value;
  return set;
}

bool has(std::uint64_t set, unsigned value) { return (set >> value & 1) != 0; }

}  // namespace

CronSchedule::CronSchedule(std::string_view text) {
  std::vector<std::string_view> fields;
  for (const std::string_view part : split(text, ' ')) {
    if (!part.empty()) fields.push_back(part);
  }
  if (fields.size() != kFields.size())
    throw Failure(FailureKind::internal,
                  fmt::format("\"{}\" is not a schedule: it has {} fields, not 5", text, fields.size()));
  std::array<Set, kFields.size()> sets{};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    for (const std::string_view part : split(fields[i], ',')) {
      const auto set = element(part, kFields[i]);
      if (!set)
        throw Failure(FailureKind::internal,
                      fmt::format("\"{}\" is not a schedule: its {} is \"{}\"", text, kFields[i].name, fields[i]));
      sets[i] |= *set;
    }
  }
  minutes_ = sets[0], hours_ = sets[1], days_ = sets[2], months_ = sets[3], weekdays_ = sets[4];
  if (has(weekdays_, 7)) weekdays_ |= 1;
  either_day_ = fields[2].front() != '*' && fields[4].front() != '*';
  next({});  // throws where there is none
}

bool CronSchedule::has_day(sys_days day) const {
  const year_month_day date(day);
  if (!has(months_, static_cast<unsigned>(date.month()))) return false;
  const bool by_date = has(days_, static_cast<unsigned>(date.day()));
  const bool by_weekday = has(weekdays_, weekday(day).c_encoding());
  return either_day_ ? by_date || by_weekday : by_date && by_weekday;
}

CronSchedule::Time CronSchedule::next(Time time) const {
  const auto from = floor<minutes>(time) + 1min;
  const auto today = floor<days>(from);
  for (sys_days day = today; day < today + kLongest; day += days(1)) {
    if (!has_day(day)) continue;
    const auto since_midnight = day == today ? duration_cast<minutes>(from - day).count() : 0;
    for (auto minute = static_cast<unsigned>(since_midnight); minute < 24 * 60; ++minute) {
      if (has(hours_, minute / 60) && has(minutes_, minute % 60)) return day + minutes(minute);
    }
  }
  throw Failure(FailureKind::internal, "a schedule names a day that never comes");
}

CronSchedule::Time CronSchedule::last_in(Time after, Time until) const {
  for (Time time = next(after); time <= until; time = next(time)) after = time;
  return after;
}

}  // namespace plugfleet
