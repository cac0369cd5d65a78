// Loads the modules a process serves. A module that does not load, was built for another ABI, or claims a name, a
// route, a kind of job or a cron entry that another has, stops the process at its start.
#pragma once

#include <string>
#include <vector>

#include "core/module.h"
#include "core/settings.h"

namespace plugfleet {

// `names`: comma separated; empty means every .so in `directory`, by name. Throws Failure saying which and why.
// The libraries stay loaded until the process ends.
std::vector<Module> load_modules(const std::string& directory, const std::string& names, SettingReader& settings);

}  // namespace plugfleet
