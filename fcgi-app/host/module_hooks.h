// What modules want done when a worker or runner begins and ends: Module::start and Module::stop; and what must be there
// before.
#pragma once

#include <vector>

#include "core/module.h"
#include "core/platform.h"

namespace plugfleet {

// Throws Failure(internal) where a kind of jobs has a price and the fleet's database, where the queue is, has no module's
// credits in it; unavailable where it is down.
Async<void> refuse_unpayable_jobs(Platform& platform, const std::vector<Module>& modules);

// One after the other, those that offer a service before those that need it. Throws Failure(internal) that names the
// module whose start threw, or took longer than 10 s.
Async<void> start_modules(Platform& platform, const std::vector<Module>& modules);

// In the other order, each for 3 s at most. What goes wrong is logged, and the next one's turn.
Async<void> stop_modules(Platform& platform, const std::vector<Module>& modules);

}  // namespace plugfleet
