#include "host/module_loader.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "host/openapi.h"

namespace plugfleet {
namespace {

[[noreturn]] void refuse(const std::string& path, std::string_view why) {
  throw Failure(Kind::internal, fmt::format("module {}: {}", path, why));
}

Module load(const std::string& path, SettingReader& settings) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) refuse(path, ::dlerror());
  const auto* const abi = static_cast<const int*>(::dlsym(library, "plugfleet_module_abi"));
  using Describe = void (*)(SettingReader*, Module*);
  const auto describe = reinterpret_cast<Describe>(::dlsym(library, "plugfleet_module_describe"));
  if (!abi || !describe) refuse(path, "is no Plugfleet module (PLUGFLEET_MODULE is missing)");
  if (*abi != kModuleAbi)
    refuse(path, fmt::format("was built for ABI {}, this is {}: build it again", *abi, kModuleAbi));
  Module module;
  describe(&settings, &module);
  return module;
}

std::vector<std::string> paths_of(const std::string& directory, const std::string& names) {
  std::vector<std::string> paths;
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ',');) paths.push_back(fmt::format("{}/{}.so", directory, name));
  if (!paths.empty()) return paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".so") paths.push_back(entry.path().string());
  }
  if (error)
    throw Failure(Kind::internal, fmt::format("MODULES_DIR: cannot read \"{}\": {}", directory, error.message()));
  std::ranges::sort(paths);
  return paths;
}

}  // namespace

std::vector<Module> load_modules(const std::string& directory, const std::string& names, SettingReader& settings) {
  std::vector<Module> modules;
  std::set<std::string> seen, kinds, crons;
  for (const std::string& path : paths_of(directory, names)) {
    Module module = load(path, settings);
    if (!seen.insert(module.name).second) refuse(path, fmt::format("another module is named \"{}\" too", module.name));
    for (const Route& route : module.routes) {
      if (const auto missing = missing_in(route))
        refuse(path, fmt::format("{} {} has {}", method_name(route.method), route.path, *missing));
    }
    for (const JobHandler& job : module.jobs) {
      if (!kinds.insert(job.kind).second)
        refuse(path, fmt::format("another handler runs jobs of kind \"{}\"", job.kind));
    }
    for (const CronEntry& cron : module.crons) {
      if (!crons.insert(cron.name).second)
        refuse(path, fmt::format("another cron entry is named \"{}\" too", cron.name));
    }
    modules.push_back(std::move(module));
  }
  return modules;
}

}  // namespace plugfleet
