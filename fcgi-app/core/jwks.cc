#include "core/jwks.h"

#include "base/clock.h"

namespace plugfleet {

Jwks::Jwks(Reactor& reactor, HttpClient& http, JwtRules rules, std::string url)
    : rules_(std::move(rules)), keys_(reactor, http, std::move(url), [mine = rules_](std::string body) {
        JwtRules with_keys = mine;
        with_keys.jwks = std::move(body);
        return JwtVerifier(with_keys);
      }) {}

Async<std::expected<Claims, std::string_view>> Jwks::verify(std::string token) {
  const UnverifiedJwt says = read_unverified(token);
  if (says.issuer != rules_.issuer) co_return std::unexpected("the token is from another issuer");
  if (says.algorithm != kJwtAlgorithms.of(rules_.algorithm))
    co_return std::unexpected("the token's algorithm is not ours");
  const auto keys = co_await keys_.get();
  auto claims = keys->verify(token, WallClock::now());
  if (claims || claims.error() != kJwtKeyUnknown) co_return claims;
  const auto newer = co_await keys_.get_anew();
  co_return newer->verify(token, WallClock::now());
}

}  // namespace plugfleet
