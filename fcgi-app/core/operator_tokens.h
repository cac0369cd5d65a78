// Operators' tokens: who holds one may ask for what concerns the whole fleet. "pft_" and 43 characters, 256 random
// bits; the database has its SHA-256 and nothing else. Whether a token is good is remembered for 5 s at most, so a
// revoked one is refused everywhere that much later; that one is not, for 2 s.
//
// Every call throws as Database::query does: with the database down nobody can tell a good token from a bad one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/remembered.h"
#include "io/postgres.h"

namespace plugfleet {

struct OperatorToken {
  std::string name, created_at;  // RFC 3339 in UTC
  std::optional<std::string> expires_at, revoked_at, last_used_at;
  std::string state;  // "good", "expired" or "revoked"
  void fields(auto& f) {
    f("name", name);
    f("state", state);
    f("createdAt", created_at);
    f("expiresAt", expires_at);
    f("revokedAt", revoked_at);
    f("lastUsedAt", last_used_at);
  }
};

class OperatorTokens {
 public:
  explicit OperatorTokens(Database& database) : database_(database) {}

  // Whether it is one that is neither revoked nor expired. Its last_used_at is kept to the minute.
  Async<bool> admits(std::string token);

  // The new token, which nobody can learn again; none where the name is taken. Without a lifetime it does not expire.
  Async<std::optional<std::string>> create(std::string name, std::optional<std::chrono::seconds> lifetime);
  // A new one of that name and lifetime; the old one is good for `overlap` yet, under the name "NAME before TIME". None
  // where there is no such token, or it was revoked.
  Async<std::optional<std::string>> replace(std::string name, std::chrono::seconds overlap);
  // Those that it replaced are refused from now on; how many there were.
  Async<std::size_t> revoke_replaced(std::string name);
  // The oldest first.
  Async<std::vector<OperatorToken>> list();
  // False where there is no such token, or it has been revoked before.
  Async<bool> revoke(std::string name);

 private:
  Database& database_;
  Remembered<bool> known_;
};

}  // namespace plugfleet
