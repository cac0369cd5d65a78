#include "core/auth.h"

#include <fmt/format.h>

#include <stdexcept>

#include "base/files.h"
#include "wire/http.h"

namespace plugfleet {

Authenticator::Authenticator(const Settings& settings) {
  if (settings.jwt_alg == "none") return;
  using Algorithm = JwtRules::Algorithm;
  JwtRules rules{.algorithm = settings.jwt_alg == "HS256"   ? Algorithm::HS256
                              : settings.jwt_alg == "RS256" ? Algorithm::RS256
                                                            : Algorithm::ES256,
                 .secret = settings.jwt_secret,
                 .issuer = settings.jwt_issuer,
                 .audience = settings.jwt_audience};
  if (rules.algorithm != Algorithm::HS256) {
    const auto jwks = read_file(settings.jwt_jwks_file);
    if (!jwks) throw Failure(Kind::internal, fmt::format("JWT_JWKS_FILE: cannot read \"{}\"", settings.jwt_jwks_file));
    rules.jwks = *jwks;
  }
  try {
    verifier_.emplace(rules);
  } catch (const std::invalid_argument& unsafe) {
    throw Failure(Kind::internal, fmt::format("JWT_ALG={}: {}", settings.jwt_alg, unsafe.what()));
  }
}

std::optional<User> Authenticator::identify(Auth auth, std::string_view authorization) const {
  if (auth == Auth::none || auth == Auth::operator_token) return std::nullopt;
  if (auth == Auth::optional && (authorization.empty() || !verifier_)) return std::nullopt;
  if (!verifier_) throw Failure(Kind::unauthorized, "this server is not set up to take tokens (JWT_ALG)");
  if (authorization.empty()) throw Failure(Kind::unauthorized, "a bearer token is needed");
  const std::string_view token = bearer_token(authorization);
  if (token.empty()) throw Failure(Kind::unauthorized, "the Authorization header holds no bearer token");
  const auto claims = verifier_->verify(token, WallClock::now());
  if (!claims) throw Failure(Kind::unauthorized, std::string(claims.error()));
  return User{claims->subject, claims->email};
}

}  // namespace plugfleet
