// Who asks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace plugfleet {

// Who vouches for those who sign in by a link: this server. Nobody signs tokens in that name.
inline constexpr std::string_view kLocalIssuer = "local";

// What a plugin was let to ask for, in its user's name (core/plugin_tokens.h).
struct PluginScope {
  std::string team, slug;  // teams.id, the plugin's
  std::vector<std::string> permissions;
  void fields(auto& f) {
    f("team", team);
    f("slug", slug);
    f("permissions", permissions);
  }
};

struct User {
  enum class Proof { jwt, access_token, session, plugin_token };  // by which they were known

  std::string id;  // in limits, logs and the rows of jobs: the subject, with another issuer than JWT_ISSUER before it
  std::string issuer, subject;
  std::optional<std::string> email, name;
  Proof proof = Proof::jwt;
  std::optional<PluginScope> plugin = {};  // it is a plugin that asks
  // As the table users has them.
  void fields(auto& f) {
    f("issuer", issuer);
    f("subject", subject);
    f("email", email);
    f("name", name);
  }
};

inline User local_user(std::string_view email) {
  const std::string address = lower(email);
  return {.id = {}, .issuer = std::string(kLocalIssuer), .subject = address, .email = address, .name = {}};
}

}  // namespace plugfleet
