// Whose JSON Web Tokens are taken: those of the settings' issuer (JWT_ALG and what belongs to it), and of more (JWT_ISSUERS).
// A token says who made it, and that issuer's rules alone then check it: the algorithm, keys and audience of one never
// serve another's tokens.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/jwks.h"
#include "core/settings.h"
#include "core/user.h"

namespace plugfleet {

struct JwtIssuer {
  JwtRules rules;
  std::string jwks_url;                 // where its keys are; empty: the rules have them
  std::optional<JwtVerifier> verifier;  // where the rules have them
};

// Throws Failure with a sentence for the operator: a secret too short, a key set that can't be read, an issuer twice.
std::vector<JwtIssuer> read_jwt_issuers(const Settings& settings);

class JwtIssuers {
 public:
  JwtIssuers(std::vector<JwtIssuer> issuers, Reactor& reactor, HttpClient& http);

  struct Verified {
    std::string issuer;
    Claims claims;
  };
  // What the token says, or why it is refused. Throws Failure(unavailable) where its issuer's keys can't be had.
  Async<std::expected<Verified, std::string_view>> verify(std::string token);

  bool none() const { return issuers_.empty(); }
  bool has(const std::string& issuer) const { return issuers_.contains(issuer); }
  // For the log: what key sets hold that is not used.
  std::vector<std::string> passed_over() const;

 private:
  struct Keys {
    std::optional<JwtVerifier> known;
    std::unique_ptr<Jwks> published;
  };
  std::map<std::string, Keys> issuers_;
};

}  // namespace plugfleet
