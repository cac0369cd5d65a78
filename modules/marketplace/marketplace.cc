// marketplace: plugins that teams publish, and who has installed and may open them (the contract's "Marketplace"). What holds
// of the tables stands with them, in migrations/0001_create_marketplace.sql; they are in the fleet's database, beside teams.
#include "marketplace/catalog.h"
#include "marketplace/installs.h"
#include "marketplace/my_plugins.h"
#include "marketplace/packages.h"
#include "marketplace/publishing/publish.h"
#include "marketplace/publishing/versions.h"
#include "marketplace/tags.h"
#include "marketplace/web/pages.h"

namespace marketplace {

namespace {

constexpr const char* kTidy = "marketplace.tidy";

Async<Outcome> tidy(Job& job) {
  const std::size_t changed = co_await tidy_installs(job.services.database);
  if (changed > 0) co_await job.services.reply_cache.invalidate({std::string(kInstallsTag)});
  co_return done(Json::object({{"changed", changed}}));
}

Module describe(SettingReader&) {
  Module module{.name = "marketplace",
                .jobs = publishing_jobs(),
                .crons = {{.name = "marketplace_sweep", .schedule = "40 * * * *", .kind = kSweep},
                          {.name = "marketplace_tidy", .schedule = "40 3 * * *", .kind = kTidy}},
                .pages = shell_pages()};
  module.pages.files_at = "/plugins";
  module.jobs.push_back({.kind = kTidy, .run = tidy, .timeout = 1min});
  for (auto routes : {catalog_routes(), package_routes(), version_routes(), install_routes(), my_plugin_routes()})
    std::ranges::move(routes, std::back_inserter(module.routes));
  return module;
}

}  // namespace
}  // namespace marketplace

PLUGFLEET_MODULE(marketplace::describe)
