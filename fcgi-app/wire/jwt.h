// JSON Web Tokens: was this bearer token made for us by our issuer, and who is it about? (RFC 7515, 7519, 8725)
//
// Rules name the algorithm, the keys, the issuer and the audience; a token chooses none of them. Its `kid` may only pick
// among the rules' keys, and its `iss` among several rules (read_unverified), which then check it. A token is refused
// unless every check passes; nothing else is read from its claims before its signature is right. No reason ever holds a piece of the token or of a key: each is a literal.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"

namespace plugfleet {

struct JwtRules {
  enum class Algorithm { HS256, RS256, ES256 };

  Algorithm algorithm = Algorithm::HS256;
  std::string secret;    // HS256: the bytes as they are, at least 32
  std::string previous;  // HS256: the secret before it, taken as well until then; empty: none
  std::chrono::sys_seconds previous_until{};
  std::string jwks;      // RS256 and ES256: the text of a JSON Web Key Set of public keys (RFC 7517)
  std::string issuer;    // what `iss` must equal
  std::string audience;  // what `aud` must be or hold
  std::chrono::seconds leeway{60};
};

inline constexpr Names<JwtRules::Algorithm, 3> kJwtAlgorithms({{{JwtRules::Algorithm::HS256, "HS256"},
                                                                {JwtRules::Algorithm::RS256, "RS256"},
                                                                {JwtRules::Algorithm::ES256, "ES256"}}});

// What a verified token says. Its texts are 1 to 255 bytes of UTF-8 without control characters.
struct Claims {
  std::string subject;
  std::optional<std::string> email;                          // none where the token says that nobody has verified it
  std::optional<std::string> name, nonce, authorized_party;  // OpenID Connect Core, sections 2 and 5.1
  std::chrono::sys_seconds expiry;
};

// What a token says that nobody has verified, to choose by which rules that is to be done and for nothing else; empty
// where it does not say it, or is no token.
struct UnverifiedJwt {
  std::string algorithm, issuer;
};
UnverifiedJwt read_unverified(std::string_view token);

// JwtVerifier::verify's refusal of a token whose key may be one that its issuer has made since.
inline constexpr std::string_view kJwtKeyUnknown = "the token names a key we do not have";

// Holds the keys, parsed once and never changed: copies share them, and threads may call verify at the same time.
class JwtVerifier {
 public:
  // Throws std::invalid_argument with a sentence for the operator when a rule is unsafe or no key is usable.
  explicit JwtVerifier(const JwtRules& rules);

  // The claims, or why not: for the log and for the person who sent the token.
  std::expected<Claims, std::string_view> verify(std::string_view token,
                                                 std::chrono::system_clock::time_point now) const;

  // What is to be said of keys in the JWKS that it does not use, a sentence each.
  const std::vector<std::string>& passed_over() const { return passed_over_; }

 private:
  struct Key;

  std::string algorithm_;
  std::string issuer_;
  std::string audience_;
  std::chrono::seconds leeway_;
  std::shared_ptr<const std::vector<Key>> keys_;
  std::vector<std::string> passed_over_;
};

}  // namespace plugfleet
