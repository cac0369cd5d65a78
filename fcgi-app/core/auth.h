// Who asks. A bearer token is checked against the settings' rules (wire/jwt); who it names becomes the limit's key and
// the rows' user. What a body claims about its sender is never asked here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/settings.h"
#include "wire/jwt.h"

namespace plugfleet {

enum class Auth {
  none,
  optional,        // a user's token is checked where there is one
  required,        // a user's token
  operator_token,  // an operator's (core/operator_tokens.h): nobody is the user then
};

struct User {
  std::string id;  // in limits, logs and the rows of jobs: the subject, with another issuer than JWT_ISSUER before it
  std::string issuer, subject;
  std::optional<std::string> email, name;
};

class Authenticator {
 public:
  // Throws Failure with a sentence for the operator: a secret too short, a key set that can't be read.
  explicit Authenticator(const Settings& settings);

  // Throws Failure(unauthorized). With Auth::optional a missing token is nobody, a wrong one is refused all the same:
  // a client that meant to be somebody must not silently be limited by its address.
  std::optional<User> identify(Auth auth, std::string_view authorization) const;

  // For the log: what a key set holds that is not used.
  std::vector<std::string> passed_over() const;

 private:
  std::optional<JwtVerifier> verifier_;
  std::string issuer_;
};

}  // namespace plugfleet
