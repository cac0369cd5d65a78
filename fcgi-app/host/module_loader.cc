#include "host/module_loader.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "host/openapi.h"

namespace plugfleet {
namespace {

[[noreturn]] void refuse(const std::string& path, std::string_view why) {
  throw Failure(FailureKind::internal, fmt::format("module {}: {}", path, why));
}

Module load(const std::string& path, SettingReader& settings) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) refuse(path, ::dlerror());
  const auto* const abi = static_cast<const int*>(::dlsym(library, "plugfleet_module_abi"));
  using Describe = void (*)(SettingReader*, Module*);
  const auto describe = reinterpret_cast<Describe>(::dlsym(library, "plugfleet_module_describe"));
  if (!abi || !describe) refuse(path, "is not a Plugfleet module (PLUGFLEET_MODULE is missing)");
  if (*abi != kModuleAbi)
    refuse(path, fmt::format("was built for ABI {}, this is {}: build it again", *abi, kModuleAbi));
  Module module;
  describe(&settings, &module);
  return module;
}

std::vector<std::string> paths_of(const std::string& directory, const std::string& names) {
  std::vector<std::string> paths;
  if (names == "-") return paths;
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ',');) paths.push_back(fmt::format("{}/{}.so", directory, name));
  if (!paths.empty()) return paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".so") paths.push_back(entry.path().string());
  }
  if (error)
    throw Failure(FailureKind::internal,
                  fmt::format("MODULES_DIR: cannot read \"{}\": {}", directory, error.message()));
  std::ranges::sort(paths);
  return paths;
}

}  // namespace

std::vector<Module> in_order(std::vector<Module> modules) {
  std::map<std::string, std::string> offered;
  for (const Module& module : modules) {
    for (const Offer& offer : module.offers) {
      const auto [other, fresh] = offered.emplace(offer.service, module.name);
      if (!fresh)
        refuse(module.name, fmt::format("the module {} offers the service {} too", other->second, offer.service));
    }
  }
  for (const Module& module : modules) {
    for (const std::string& need : module.needs) {
      if (!offered.contains(need))
        refuse(module.name, fmt::format("no module here offers the service {} that it needs", need));
    }
  }
  std::vector<Module> sorted;
  const auto is_ready = [&](const Module& module) {
    return std::ranges::all_of(module.needs, [&](const std::string& need) {
      return std::ranges::find(sorted, offered.at(need), &Module::name) != sorted.end();
    });
  };
  while (!modules.empty()) {
    const auto next = std::ranges::find_if(modules, is_ready);
    if (next == modules.end()) refuse(modules[0].name, "it needs a service of a module that needs one of its own");
    sorted.push_back(std::move(*next));
    modules.erase(next);
  }
  return sorted;
}

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
    for (JobHandler& job : module.jobs) job.module = module.name;
    modules.push_back(std::move(module));
  }
  return in_order(std::move(modules));
}

}  // namespace plugfleet
