// The numbers of GET /api/analytics: jobs by type, by day and by user, from what is counted as jobs end
// (migrations/functions/count_usage.sql) and the jobs that are not counted yet. Exact at any moment, but for the
// percentiles, which are within 1.5 %. A day is UTC's; a job belongs to the day it was created on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/postgres.h"
#include "wire/fields.h"

namespace plugfleet {

// The report, as the contract has it; the statement writes it.
struct UsageReport {
  struct OfType {
    std::string type;
    std::int64_t total_jobs = 0, successful = 0, failed = 0;
    std::optional<double> avg_duration_ms, p50_duration_ms, p95_duration_ms;  // null: none has succeeded
    void fields(auto& f) {
      f("type", type);
      f("total_jobs", total_jobs), f("successful", successful), f("failed", failed);
      f("avg_duration_ms", avg_duration_ms), f("p50_duration_ms", p50_duration_ms);
      f("p95_duration_ms", p95_duration_ms);
    }
  };
  struct OfDay {
    std::string date, type;
    std::int64_t jobs = 0, successful = 0;
    void fields(auto& f) {
      f("date", date, Rule{.format = "date"});
      f("type", type), f("jobs", jobs), f("successful", successful);
    }
  };
  struct OfUser {
    std::string user_email, last_activity;
    std::int64_t total_jobs = 0, successful_jobs = 0;
    std::optional<std::int64_t> input_tokens, output_tokens;
    std::optional<double> cost_usd;
    void fields(auto& f) {
      f("user_email", user_email);
      f("total_jobs", total_jobs), f("successful_jobs", successful_jobs);
      f("last_activity", last_activity, time_text());
      f("input_tokens", input_tokens), f("output_tokens", output_tokens), f("cost_usd", cost_usd);
    }
  };
  std::vector<OfType> summary;
  std::vector<OfDay> daily_trend;
  std::vector<OfUser> top_users;
  void fields(auto& f) {
    f("summary", summary);
    f("dailyTrend", daily_trend);
    f("topUsers", top_users);
  }
};

// A UsageReport's JSON, of the last so many days, today included; all of one moment. Only reads. Throws as
// Database::query does.
Async<std::string> usage_report(Database& database, int days);

// Counts the jobs that have ended since the last time, so that reports need not read them. Any number of processes may
// do it; the oftener, the less there is to do.
Async<void> count_usage(Database& database);

}  // namespace plugfleet
