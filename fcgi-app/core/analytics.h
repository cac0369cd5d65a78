// The numbers of GET /api/analytics: jobs by type, by day and by user, from what is counted as jobs end
// (migrations/functions/count_usage.sql) and the jobs that are not counted yet. Exact at any moment, but for the
// percentiles, which are within 1.5 %. A day is UTC's; a job belongs to the day it was created on.
#pragma once

#include <string>

#include "io/postgres.h"

namespace plugfleet {

// JSON, as the contract has it, of the last so many days, today included; all of one moment. Only reads. Throws as
// Database::query does.
Async<std::string> usage_report(Database& database, int days);

// Counts the jobs that have ended since the last time, so that reports need not read them. Any number of processes may
// do it; the oftener, the less there is to do.
Async<void> count_usage(Database& database);

}  // namespace plugfleet
