// Loads the modules a process serves. A module that does not load, was built for another ABI, or claims a name, a
// route, a kind of job, a cron entry or a service that another has, or needs a service that none offers, stops the process
// at its start.
#pragma once

#include <string>
#include <vector>

#include "core/module.h"
#include "core/settings.h"

namespace plugfleet {

// `names`: comma separated; empty means every .so in `directory`, by name, and "-" none. Throws Failure saying which and why.
// The libraries stay loaded until the process ends.
std::vector<Module> load_modules(const std::string& directory, const std::string& names, SettingReader& settings);

// Those that offer a service before those that need it. Throws Failure where one is needed that none offers, or two offer,
// and where two modules need each other.
std::vector<Module> in_order(std::vector<Module> modules);

}  // namespace plugfleet
