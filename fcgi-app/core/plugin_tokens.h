// Plugins' tokens: for ten minutes a plugin asks in the name of whoever has it open, for one team, and only what a route's
// `.permission` lets it. "pfp_" and 43 characters, 256 random bits; the database has its SHA-256 and nothing else.
//
//   P1  A route that says no permission takes no such token.
//   P2  A plugin may never do more than its member may: Call::member_of() asks for their role as ever, and knows no other
//       team than the token's.
//   P3  Refused everywhere within 10 s: one whose member has left the team, whose team is suspended, or that was revoked.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/remembered.h"
#include "core/user.h"
#include "io/postgres.h"

namespace plugfleet {

inline constexpr std::string_view kPluginTokenPrefix = "pfp_";

// All that a bundle may ask for, and a route may want.
struct PluginPermission {
  std::string_view name, what;
};
inline constexpr PluginPermission kPluginPermissions[] = {
    {"profile:read", "who the user is, and the names of their teams"},
    {"team:read", "the team's name and its members"},
    {"wallet:read", "the team's credits, and what moved them"},
    {"usage:read", "what the team's jobs were, and what they cost"},
    {"rename", "to have layers renamed, and to follow and cancel those jobs"},
};
bool is_plugin_permission(std::string_view name);

class PluginTokens {
 public:
  explicit PluginTokens(Database& database) : database_(database) {}

  // Whose it is, without an id, and .plugin for what; none against P3, where it has expired or is no such token. Throws as
  // Database::query does: with the database down nobody can tell.
  Async<std::optional<User>> holder_of(std::string token);

 private:
  Database& database_;
  Remembered<std::optional<User>> known_;
};

struct NewPluginToken {
  std::string account, team, plugin;  // users.id, teams.id, the plugin's slug
  std::vector<std::string> permissions;
};
struct MadePluginToken {
  std::string token, expires_at;         // the token: nobody can learn it again
  std::vector<std::string> permissions;  // those of them that there are
};
Async<MadePluginToken> make_plugin_token(Sql& sql, NewPluginToken wanted);

// Those of the plugin: all, of one team, or of one member there.
struct WhosePluginTokens {
  std::optional<std::string> team = {};
  std::string plugin;
  std::optional<std::string> account = {};
};
Async<void> revoke_plugin_tokens(Sql& sql, WhosePluginTokens whose);

}  // namespace plugfleet
