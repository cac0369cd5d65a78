// plugin.json, at the top of a bundle: what a plugin says of itself.
#pragma once

#include <plugfleet/module.h>

#include <set>

#include "marketplace/semver.h"

namespace marketplace {

struct Manifest {
  std::string slug, version, entry;                    // the page that the shell opens: "index.html"
  std::vector<std::string> permissions;                // what its token may do
  std::optional<std::string> min_shell;                // the first version of the shell that it runs in
  std::optional<std::string> icon;                     // a picture in the bundle
  std::optional<std::int64_t> budget_kb;               // of all files as they are sent, by 1,000 bytes: more is refused
  std::optional<std::string> name, summary, category;  // for scripts/publish, which makes a package of them
  void fields(auto& f) {
    f("slug", slug, plugfleet::length(2, 50));
    f("version", version, plugfleet::length(1, kVersionMost));
    f("entry", entry, plugfleet::length(1, 200));
    f("permissions", permissions, plugfleet::items(0, 20));
    f("minShell", min_shell, plugfleet::length(1, kVersionMost));
    f("icon", icon, plugfleet::length(1, 200));
    f("budgetKb", budget_kb, plugfleet::range(1, 1e6));
    f("name", name, plugfleet::words(1, 100));
    f("summary", summary, plugfleet::words(1, 200));
    f("category", category, plugfleet::length(1, 50));
  }
};

// Of the bundle's plugin.json, for that package; `files` are the paths of all its files. Throws Failure(unprocessable) with
// each wrong field.
Manifest read_manifest(std::string_view text, std::string_view slug, const std::set<std::string>& files);

}  // namespace marketplace
