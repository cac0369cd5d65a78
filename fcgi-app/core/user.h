// Who asks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace plugfleet {

// Who vouches for those who sign in by a link: this server. Nobody signs tokens in that name.
inline constexpr std::string_view kLocalIssuer = "local";

struct User {
  enum class Proof { jwt, access_token, session };  // by which they were known

  std::string id;  // in limits, logs and the rows of jobs: the subject, with another issuer than JWT_ISSUER before it
  std::string issuer, subject;
  std::optional<std::string> email, name;
  Proof proof = Proof::jwt;
  // As the table users has them.
  void fields(auto& f) {
    f("issuer", issuer);
    f("subject", subject);
    f("email", email);
    f("name", name);
  }
};

inline User local_user(std::string_view email) {
  const std::string address = lower(email);
  return {.id = {}, .issuer = std::string(kLocalIssuer), .subject = address, .email = address, .name = {}};
}

}  // namespace plugfleet
