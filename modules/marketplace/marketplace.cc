// marketplace: plugins that teams publish, and who has installed and may open them (the contract's "Marketplace"). What holds
// of the tables stands with them, in migrations/0001_create_marketplace.sql; they are in the fleet's database, beside teams.
#include "marketplace/catalog.h"
#include "marketplace/installs.h"
#include "marketplace/my_plugins.h"
#include "marketplace/packages.h"
#include "marketplace/web/pages.h"

namespace marketplace {

namespace {

Module describe(SettingReader&) {
  Module module{.name = "marketplace", .pages = shell_pages()};
  for (auto routes : {catalog_routes(), package_routes(), install_routes(), my_plugin_routes()})
    std::ranges::move(routes, std::back_inserter(module.routes));
  return module;
}

}  // namespace
}  // namespace marketplace

PLUGFLEET_MODULE(marketplace::describe)
