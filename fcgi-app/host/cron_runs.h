// What is to be done at certain times, each time once in the fleet, however many keepers look: the row of cron_runs
// moves on and the work is done in one transaction. A time that passed while nobody looked is made up for when it is
// less than a day ago; of several only the last. The clock is the database's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/cron.h"
#include "core/module.h"
#include "io/postgres.h"

namespace plugfleet {

struct TimedWork {
  std::string name;  // unique in the fleet
  CronSchedule schedule;
  // For the time `due`; it ran for `last` before. The transaction lives until it returns, and is committed then.
  // Not a capturing coroutine.
  std::function<Async<void>(Transaction& transaction, CronSchedule::Time last, CronSchedule::Time due)> run;
  std::string kind = {};  // of the job that it enqueues, if any: runners may be told once it has run
};

// Runs it if its time has come: true. Throws what the database or the work throws; it is as if untried then.
Async<bool> run_if_due(Database& database, const TimedWork& work);

// What modules declare: a job enqueued at each of its times. Throws Failure where a schedule is none, a name stands
// twice, or no module has the kind.
std::vector<TimedWork> declared_crons(const std::vector<Module>& modules);

}  // namespace plugfleet
