// Who asks: by a JSON Web Token (core/jwt_issuers.h), a personal access token (core/access_tokens.h), a plugin's token
// (core/plugin_tokens.h), or the web shell's cookie (core/sessions.h). Who that is becomes the limit's key and the rows' user. What a body claims about its sender is
// never asked here.
//
//   W1  An Authorization header goes before a cookie. What it holds is right, or the request is refused, also where nobody
//       had to say who they are: a client that meant to be somebody must not silently be limited by its address.
//   W2  A cookie, which browsers send unasked, of a session that has ended is as none.
//   W3  By cookie nothing is changed but by requests from our own pages: another site's are refused.
//   W4  No two users have one id.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/access_tokens.h"
#include "core/jwt_issuers.h"
#include "core/plugin_tokens.h"
#include "core/sessions.h"
#include "core/user.h"
#include "wire/http.h"

namespace plugfleet {

enum class Auth {
  none,
  optional,        // a user is known where there is one
  required,        // a user's token or session
  operator_token,  // an operator's (core/operator_tokens.h): nobody is the user then
};

// What a request says of who asks: its headers, empty where it has them not.
struct Asking {
  Method method = Method::GET;
  std::string_view authorization, cookie, origin, fetch_site;
  std::string_view permission;  // that a plugin's token takes here; empty: none is taken
};

class Authenticator {
 public:
  // Throws Failure with a sentence for the operator: a secret too short, a key set that can't be read.
  Authenticator(const Settings& settings, Reactor& reactor, HttpClient& http, Database& database);

  // None where nobody is known and the route takes that. Throws Failure: unauthorized; forbidden, for a token without the
  // scope or the permission, or a cookie against W3; unavailable where nobody can tell.
  Async<std::optional<User>> identify(Auth auth, Asking asking);

  // For the log: what a key set holds that is not used.
  std::vector<std::string> passed_over() const { return issuers_.passed_over(); }

 private:
  Async<std::optional<User>> by_token(Auth auth, Asking asking);
  Async<User> by_access_token(std::string token, Method method);
  Async<User> by_plugin_token(std::string token, std::string_view permission);
  Async<User> by_jwt(std::string token);
  Async<std::optional<User>> by_session(std::string secret, Asking asking);
  User with_id(User user, User::Proof proof) const;
  bool reads_as_anothers(std::string_view subject) const;
  bool is_ours(const Asking& asking) const;

  const std::string issuer_, origin_;
  JwtIssuers issuers_;
  AccessTokens access_tokens_;
  PluginTokens plugin_tokens_;
  Sessions sessions_;
};

}  // namespace plugfleet
