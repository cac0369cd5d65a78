// Personal access tokens: a program asks in the name of the user who made it one. "pfu_" and 43 characters, 256 random bits;
// the database has its SHA-256 and nothing else. Whether one is good is remembered for 5 s at most, so one that is revoked
// is refused everywhere that much later.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/remembered.h"
#include "core/user.h"
#include "io/postgres.h"

namespace plugfleet {

// What a token's scopes may be: `read` asks (GET), `write` does all else.
inline constexpr std::string_view kScopes[] = {"read", "write"};

inline constexpr std::string_view kAccessTokenPrefix = "pfu_";

struct AccessTokenHolder {
  User user;  // without an id
  bool reads = false, writes = false;
};

class AccessTokens {
 public:
  explicit AccessTokens(Database& database) : database_(database) {}

  // None where it is no such token, was revoked or has expired. Its last_used_at is kept to the minute. Throws as
  // Database::query does: with the database down nobody can tell.
  Async<std::optional<AccessTokenHolder>> holder_of(std::string token);

 private:
  Database& database_;
  Remembered<std::optional<AccessTokenHolder>> known_;
};

struct NewAccessToken {
  std::string account, name;  // users.id
  std::vector<std::string> scopes;
  std::chrono::seconds lifetime{};
};
struct MadeAccessToken {
  std::string id, token;  // which nobody can learn again
};
// Throws Failure(conflict) where its user has kAccessTokensMost already.
Async<MadeAccessToken> make_access_token(Database& database, NewAccessToken wanted);
inline constexpr int kAccessTokensMost = 100;

}  // namespace plugfleet
