// The identity provider that signs users in: OpenID Connect Core 1.0, the authorization code flow (section 3.1) with PKCE
// (RFC 7636) as RFC 9700 wants it. It is asked for its description and keys, and once for each sign-in for what a code
// stands for. Nothing of that is kept or logged but who it was.
#pragma once

#include <plugfleet/module.h>

namespace accounts {

struct ProviderSettings {
  std::string issuer, client_id, client_secret;
  void rows(plugfleet::SettingReader& settings);
};

// A sign-in that is under way. Its secret is the browser's that began it, in a cookie; what goes to the provider is derived
// from that, so that what comes back is known to belong to this browser and this sign-in.
struct Attempt {
  std::string secret;

  std::string state() const;
  std::string nonce() const;
  std::string verifier() const;   // RFC 7636, section 4.1
  std::string challenge() const;  // section 4.2
};

class Provider {
 public:
  Provider(ProviderSettings settings, plugfleet::Services& services);

  // Each throws Failure(unavailable) where the provider was never reached.
  // Where the browser is to go.
  plugfleet::Async<std::string> authorization_url(Attempt attempt);
  // Who the code is of. Throws Failure: forbidden where the provider does not take the code, or its answer is not for this
  // attempt; provider_error and provider_timeout.
  plugfleet::Async<plugfleet::User> user_of(std::string code, Attempt attempt);

  const std::string& issuer() const { return settings_.issuer; }

 private:
  // OpenID Connect Discovery 1.0, section 3.
  struct Description {
    std::string authorization_endpoint, token_endpoint, jwks_uri;
    plugfleet::JwtRules::Algorithm algorithm = plugfleet::JwtRules::Algorithm::RS256;
    bool secret_in_body = false;  // client_secret_post, and not client_secret_basic
  };
  static Description read_description(std::string text, const std::string& issuer);

  plugfleet::Async<std::string> id_token_of(std::string code, Attempt attempt);
  std::shared_ptr<plugfleet::Jwks> keys_of(const Description& description);

  const ProviderSettings settings_;
  plugfleet::Services& services_;
  const std::string callback_;
  plugfleet::Published<Description> description_;
  std::string jwks_uri_;  // of keys_
  std::shared_ptr<plugfleet::Jwks> keys_;
};

}  // namespace accounts
