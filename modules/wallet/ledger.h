// The books, as this module's handlers use them: within a transaction of theirs, by the functions of migrations/, which say
// what holds.
#pragma once

#include <plugfleet/module.h>

namespace wallet {

using namespace plugfleet;

inline constexpr std::int64_t kCreditsMax =
    1'000'000'000'000;  // of one transfer: sums stay whole numbers in JavaScript

struct Hold {
  std::string id, state, reason, made_at;
  std::int64_t amount = 0, captured = 0;
  std::optional<std::string> expires_at, job_id;
  void fields(auto& f);
};

inline constexpr std::string_view kHoldStates[] = {"open", "captured", "released", "expired"};

void Hold::fields(auto& f) {
  f("id", id, uuid_text());
  f("state", state, one_of(kHoldStates));
  f("amount", amount, range(1, kCreditsMax));
  f("captured", captured, range(0, kCreditsMax));
  f("reason", reason);
  f("jobId", job_id, uuid_text());
  f("madeAt", made_at, time_text());
  f("expiresAt", expires_at, time_text());
}

// What the team has available then.
Async<std::int64_t> grant(Sql& sql, std::string team, std::int64_t amount, std::string reason);

// Throws Failure(insufficient_credits), in words for the client.
Async<Hold> hold(Transaction& transaction, std::string team, std::int64_t amount, std::string reason,
                 std::chrono::seconds expires_in);

// `becomes`: captured or released. Throws Failure: not_found where the team has no such hold (a job's is its job's alone),
// conflict where it has ended, unprocessable where less was held.
Async<Hold> settle(Transaction& transaction, std::string team, std::string hold, std::int64_t amount,
                   std::string_view becomes);

// Ends holds whose time is over, each in a transaction of its own; how many.
Async<std::size_t> expire_holds(Database& database);

// Remembers in the transaction what is answered to a key, so that it is booked once, whoever dies meanwhile:
//
//   const auto before = co_await answer_before(transaction, key, digest);   // waits for whoever is at it
//   if (before) co_return json(200, *before);
//   ...
//   co_await remember_answer(transaction, key, answer);
//   co_await transaction.commit();
//
// Throws Failure(unprocessable) where the key came before with another digest.
Async<std::optional<Json>> answer_before(Transaction& transaction, std::string key, std::string digest);
Async<void> remember_answer(Transaction& transaction, std::string key, Json answer);

}  // namespace wallet
