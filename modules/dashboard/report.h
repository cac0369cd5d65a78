// A team's usage over some days (UTC), in one order or another.
#pragma once

#include <plugfleet/module.h>

namespace dashboard {

using namespace plugfleet;

inline constexpr std::string_view kBy[] = {"day", "kind", "plugin", "user"};
inline constexpr int kDaysMost = 366;

struct UsageQuery {
  std::optional<std::string> from, to, by;
  void fields(auto& f) {
    f("from", from, length(10, 10));
    f("to", to, length(10, 10));
    f("by", by, one_of(kBy));
  }
};

struct Wanted {
  std::string from, to;  // "2026-11-30": both days are of it
  std::string by;
};
// The last 30 days, by day, where nothing else is asked for. Throws Failure(invalid_request): a day that there is none, the
// end before the beginning, more than kDaysMost.
Wanted read_wanted(UsageQuery query, WallClock::time_point now);

struct UsageLine {
  std::string
      key;  // the day, the kind, the plugin's slug, the member's id; empty: no plugin, or nobody who is in the team
  std::string name;  // of a member; else the key
  std::int64_t jobs = 0, failures = 0, tokens = 0, credits = 0;
  std::optional<double> p50_ms, p95_ms;  // of completed jobs, within 1.5 %; null where there was none
  void fields(auto& f);
};

struct Usage {
  std::string from, to, by;
  std::vector<UsageLine>
      lines;  // each day in order, also those without jobs; else those with the most jobs first, 500 of them
  void fields(auto& f);
};

void UsageLine::fields(auto& f) {
  f("key", key);
  f("name", name);
  f("jobs", jobs, range(0, kAnyNumber));
  f("failures", failures, range(0, kAnyNumber));
  f("tokens", tokens, range(0, kAnyNumber));
  f("credits", credits, range(0, kAnyNumber));
  f("p50Ms", p50_ms, range(0, kAnyNumber));
  f("p95Ms", p95_ms, range(0, kAnyNumber));
}

void Usage::fields(auto& f) {
  f("from", from);
  f("to", to);
  f("by", by, one_of(kBy));
  f("lines", lines);
}

Async<Usage> usage_of(Sql& sql, std::string team, Wanted wanted);

// RFC 4180, with a line of names. No cell is a formula to a spreadsheet.
std::string csv_of(const Usage& usage);

}  // namespace dashboard
