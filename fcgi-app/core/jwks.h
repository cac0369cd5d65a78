// A JWT's verifier whose keys are at an address: a JSON Web Key Set (RFC 7517) that its issuer publishes, and changes.
//
// A token whose key is not in the set that is known has it fetched anew, once a minute whoever sends such tokens; so a new
// key is known at once, and one that the issuer took back is unknown within core/published.h's kFresh. Nothing is fetched
// for a token that says another issuer or algorithm.
#pragma once

#include "core/published.h"
#include "wire/jwt.h"

namespace plugfleet {

class Jwks {
 public:
  // `rules` without keys, and not HS256; `url` is private (wire/url.h).
  Jwks(Reactor& reactor, HttpClient& http, JwtRules rules, std::string url);

  // As JwtVerifier::verify. Throws Failure(unavailable) where no key set is known.
  Async<std::expected<Claims, std::string_view>> verify(std::string token);

 private:
  const JwtRules rules_;
  Published<JwtVerifier> keys_;
};

}  // namespace plugfleet
