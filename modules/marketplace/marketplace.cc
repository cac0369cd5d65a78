// marketplace: plugins that teams find, install and open in the web shell (web/), at / and its paths.
#include "marketplace/web/pages.h"

namespace marketplace {

using namespace plugfleet;

namespace {

Module describe(SettingReader&) { return {.name = "marketplace", .pages = shell_pages()}; }

}  // namespace
}  // namespace marketplace

PLUGFLEET_MODULE(marketplace::describe)
