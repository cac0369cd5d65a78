#include "core/auth.h"

#include <fmt/format.h>

#include <ctime>
#include <stdexcept>

#include "base/files.h"
#include "base/utf8.h"
#include "wire/http.h"

namespace plugfleet {
namespace {

// JWT_SECRET: the secret; a second line may hold the one before it, and until when that is taken:
// "until 2026-11-23T10:00:00Z SECRET".
void read_secrets(const std::string& text, JwtRules& rules) {
  const bool is_pem = text.starts_with("-----BEGIN");  // which the verifier refuses
  const std::size_t end = is_pem ? text.npos : text.find('\n');
  rules.secret = text.substr(0, end);
  if (end == text.npos) return;
  std::tm time{};
  const char* const second = text.c_str() + end + 1;
  const char* const rest = ::strptime(second, "until %Y-%m-%dT%H:%M:%SZ", &time);
  if (!rest || *rest != ' ' || !rest[1] || text.find('\n', end + 1) != text.npos) {
    throw Failure(
        FailureKind::internal,
        "JWT_SECRET: a second line must be like \"until 2026-11-23T10:00:00Z SECRET\", and there is no third");
  }
  rules.previous = without_mark(rest + 1);
  rules.previous_until = std::chrono::sys_seconds(std::chrono::seconds(::timegm(&time)));
}

}  // namespace

Authenticator::Authenticator(const Settings& settings) : issuer_(settings.jwt_issuer) {
  if (settings.jwt_alg == "none") return;
  using Algorithm = JwtRules::Algorithm;
  JwtRules rules{.algorithm = settings.jwt_alg == "HS256"   ? Algorithm::HS256
                              : settings.jwt_alg == "RS256" ? Algorithm::RS256
                                                            : Algorithm::ES256,
                 .issuer = settings.jwt_issuer,
                 .audience = settings.jwt_audience};
  if (rules.algorithm == Algorithm::HS256) {
    read_secrets(settings.jwt_secret, rules);
  } else {
    const auto jwks = read_file(settings.jwt_jwks_file);
    if (!jwks)
      throw Failure(FailureKind::internal, fmt::format("JWT_JWKS_FILE: cannot read \"{}\"", settings.jwt_jwks_file));
    rules.jwks = *jwks;
  }
  try {
    verifier_.emplace(rules);
  } catch (const std::invalid_argument& unsafe) {
    throw Failure(FailureKind::internal, fmt::format("JWT_ALG={}: {}", settings.jwt_alg, unsafe.what()));
  }
}

std::vector<std::string> Authenticator::passed_over() const {
  return verifier_ ? verifier_->passed_over() : std::vector<std::string>();
}

std::optional<User> Authenticator::identify(Auth auth, std::string_view authorization) const {
  if (auth == Auth::none || auth == Auth::operator_token) return std::nullopt;
  if (auth == Auth::optional && (authorization.empty() || !verifier_)) return std::nullopt;
  if (!verifier_) throw Failure(FailureKind::unauthorized, "this server is not set up to take tokens (JWT_ALG)");
  if (authorization.empty()) throw Failure(FailureKind::unauthorized, "a bearer token is needed");
  const std::string_view token = bearer_token(authorization);
  if (token.empty()) throw Failure(FailureKind::unauthorized, "the Authorization header holds no bearer token");
  const auto claims = verifier_->verify(token, WallClock::now());
  if (!claims) throw Failure(FailureKind::unauthorized, std::string(claims.error()));
  return User{.id = claims->subject, .issuer = issuer_, .subject = claims->subject, .email = claims->email};
}

}  // namespace plugfleet
