// The tags of what the marketplace has kept in the cache. Whoever changes what stands behind one invalidates it, once that is
// committed; beside these, a member's own answers have account_tag() (core/accounts.h).
#pragma once

#include <string>
#include <string_view>

namespace marketplace {

// Which versions there are, and what is said of them: publish, yank, block, another name or summary.
inline constexpr std::string_view kPluginsTag = "plugins";
// How many teams have each.
inline constexpr std::string_view kInstallsTag = "plugin-installs";
// What one team has installed; in a route's declaration {id} stands for the team.
inline std::string team_plugins_tag(std::string_view team) { return "team-plugins:" + std::string(team); }

}  // namespace marketplace
