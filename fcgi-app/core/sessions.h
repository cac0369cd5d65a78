// Sessions of the web shell, and the links that begin one where no identity provider does. A browser has a session's secret
// in its cookie, and the database its SHA-256 alone.
//
//   S1  A session's secret is new with each sign-in: nobody knows it before, and no request chooses it.
//   S2  It ends after 30 days in which it is not used, or when its user signs out: refused everywhere 10 s later at the latest.
//   S3  A link is good once, within 15 minutes; whoever only looks at it does not use it up.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/remembered.h"
#include "core/user.h"
#include "io/postgres.h"

namespace plugfleet {

// "__Host-" has browsers refuse it from other hosts and without https (RFC 6265bis, section 4.1.3.2).
inline constexpr std::string_view kSessionCookie = "__Host-session";

class Sessions {
 public:
  explicit Sessions(Database& database) : database_(database) {}

  // Without an id; none where there is no such session, or it has ended. Throws as Database::query does.
  Async<std::optional<User>> user_of(std::string secret);

 private:
  Database& database_;
  Remembered<std::optional<User>> known_;
};

// Of an account (users.id): the secret.
Async<std::string> begin_session(Sql& sql, std::string account);
// Does nothing where there is no such session.
Async<void> end_session(Sql& sql, std::string secret);

// For whoever has that address: the link's token. The address is in small letters.
Async<std::string> make_sign_in_link(Sql& sql, std::string email);
// The address; none where there is no such link, or none any more.
Async<std::optional<std::string>> use_sign_in_link(Sql& sql, std::string token);

}  // namespace plugfleet
