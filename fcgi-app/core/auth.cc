#include "core/auth.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace plugfleet {
namespace {

bool changes_something(Method method) { return method != Method::GET && method != Method::HEAD; }

[[noreturn]] void refuse(std::string_view why) { throw Failure(FailureKind::unauthorized, std::string(why)); }

}  // namespace

Authenticator::Authenticator(const Settings& settings, Reactor& reactor, HttpClient& http, Database& database)
    : issuer_(settings.jwt_issuer),
      origin_(lower(settings.public_url)),
      issuers_(read_jwt_issuers(settings), reactor, http),
      access_tokens_(database),
      plugin_tokens_(database),
      sessions_(database) {}

Async<std::optional<User>> Authenticator::identify(Auth auth, Asking asking) {
  if (auth == Auth::none || auth == Auth::operator_token) co_return std::nullopt;
  if (!asking.authorization.empty()) {
    auto user = co_await by_token(auth, asking);
    co_return user;
  }
  const std::string_view secret = cookie_in(asking.cookie, kSessionCookie);
  if (!secret.empty()) {
    auto user = co_await by_session(std::string(secret), asking);
    if (user) co_return user;
  }
  if (auth == Auth::optional) co_return std::nullopt;
  refuse(secret.empty() ? "a bearer token is needed" : "this session has ended: sign in again");
}

Async<std::optional<User>> Authenticator::by_token(Auth auth, Asking asking) {
  const std::string token(bearer_token(asking.authorization));
  if (token.starts_with(kAccessTokenPrefix)) {
    User user = co_await by_access_token(token, asking.method);
    co_return user;
  }
  if (token.starts_with(kPluginTokenPrefix)) {
    User user = co_await by_plugin_token(token, asking.permission);
    co_return user;
  }
  if (issuers_.none() && auth == Auth::optional) co_return std::nullopt;
  if (token.empty()) refuse("the Authorization header holds no bearer token");
  if (issuers_.none()) refuse("this server is not set up to take tokens (JWT_ALG)");
  User user = co_await by_jwt(token);
  co_return user;
}

Async<User> Authenticator::by_access_token(std::string token, Method method) {
  const auto holder = co_await access_tokens_.holder_of(std::move(token));
  if (!holder) refuse("this personal access token is unknown, revoked or expired");
  const bool writes = changes_something(method);
  if (writes ? !holder->writes : !holder->reads) {
    throw Failure(FailureKind::forbidden,
                  fmt::format("this takes the scope \"{}\", which the token does not have", writes ? "write" : "read"));
  }
  co_return with_id(holder->user, User::Proof::access_token);
}

Async<User> Authenticator::by_plugin_token(std::string token, std::string_view permission) {
  const auto holder = co_await plugin_tokens_.holder_of(std::move(token));
  if (!holder) refuse("this plugin's token is unknown, revoked or expired");
  if (permission.empty()) throw Failure(FailureKind::forbidden, "a plugin's token is not taken here");
  if (std::ranges::find(holder->plugin->permissions, permission) == holder->plugin->permissions.end()) {
    throw Failure(FailureKind::forbidden,
                  fmt::format("this takes the permission \"{}\", which the plugin does not have", permission));
  }
  co_return with_id(*holder, User::Proof::plugin_token);
}

Async<User> Authenticator::by_jwt(std::string token) {
  auto verified = co_await issuers_.verify(std::move(token));
  if (!verified) refuse(verified.error());
  Claims& claims = verified->claims;
  if (verified->issuer == issuer_ && reads_as_anothers(claims.subject))
    refuse("the token's sub could be taken for another issuer's user");
  co_return with_id({.id = {},
                     .issuer = std::move(verified->issuer),
                     .subject = std::move(claims.subject),
                     .email = std::move(claims.email),
                     .name = std::move(claims.name)},
                    User::Proof::jwt);
}

Async<std::optional<User>> Authenticator::by_session(std::string secret, Asking asking) {
  auto user = co_await sessions_.user_of(std::move(secret));
  if (!user) co_return std::nullopt;
  if (changes_something(asking.method) && !is_ours(asking))
    throw Failure(FailureKind::forbidden, "by cookie nothing is changed from another site's pages");
  co_return with_id(*std::move(user), User::Proof::session);
}

User Authenticator::with_id(User user, User::Proof proof) const {
  user.id = user.issuer == issuer_ ? user.subject : fmt::format("{}|{}", user.issuer, user.subject);
  user.proof = proof;
  return user;
}

// W4: whether a subject of JWT_ISSUER's, which is an id as it stands, could be another's "ISSUER|SUBJECT". An issuer that
// users sign in by is a URL.
bool Authenticator::reads_as_anothers(std::string_view subject) const {
  const std::string before(subject.substr(0, subject.find('|')));
  return before.size() < subject.size() && (before == kLocalIssuer || before.contains("://") || issuers_.has(before));
}

// W3. Browsers say where a request comes from: Sec-Fetch-Site (W3C Fetch Metadata) where this fleet is asked by https or is
// this machine, or Origin (RFC 6454). What says neither is no browser's, or an old one's.
bool Authenticator::is_ours(const Asking& asking) const {
  if (!asking.fetch_site.empty()) return asking.fetch_site == "same-origin";
  return !asking.origin.empty() && lower(asking.origin) == origin_;
}

}  // namespace plugfleet
