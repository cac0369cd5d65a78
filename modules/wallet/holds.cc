#include "wallet/holds.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "wallet/ledger.h"

namespace wallet {

namespace {

constexpr double kLongestHold = 7 * 86'400;  // seconds

struct NewHold {
  std::int64_t amount = 0, expires_in = 0;
  std::string reason;
  void fields(auto& f) {
    f("amount", amount, range(1, static_cast<double>(kCreditsMax)));
    f("reason", reason, words(1, 200));
    f("expiresIn", expires_in, range(1, kLongestHold));
  }
};

struct Capture {
  std::int64_t amount = 0;
  void fields(auto& f) { f("amount", amount, range(1, static_cast<double>(kCreditsMax))); }
};

using Change = std::function<Async<Hold>(Transaction& transaction)>;

// `change`, once for the call's key. `body`: what was asked, beside the path.
Async<Reply> change_once(Call& call, std::string team, int status, Json body, Change change) {
  co_await call.member_of(team, Role::admin);
  auto key = call.idempotency_key();
  if (key) key = fmt::format("team:{} {}", team, *key);
  Transaction transaction = co_await call.services.database.begin();
  if (key) {
    const std::string digest = sha256_hex(call.path() + '\n' + body.dump());
    const auto before = co_await answer_before(transaction, *key, digest);
    if (before) co_return json(status, *before);
  }
  const Hold hold = co_await change(transaction);
  const Json answer = write_fields(hold);
  if (key) co_await remember_answer(transaction, *key, answer);
  co_await transaction.commit();
  co_return json(status, answer);
}

Async<Reply> add(Call& call, std::string team) {
  const auto wanted = co_await call.json<NewHold>();
  Change change = [&](Transaction& transaction) {
    return hold(transaction, team, wanted.amount, wanted.reason, std::chrono::seconds(wanted.expires_in));
  };
  Reply reply = co_await change_once(call, team, 201, write_fields(wanted), std::move(change));
  co_return reply;
}

Async<Reply> capture(Call& call, std::string team, std::string id) {
  const auto wanted = co_await call.json<Capture>();
  Change change = [&](Transaction& transaction) { return settle(transaction, team, id, wanted.amount, "captured"); };
  Reply reply = co_await change_once(call, team, 200, write_fields(wanted), std::move(change));
  co_return reply;
}

Async<Reply> release(Call& call, std::string team, std::string id) {
  Change change = [&](Transaction& transaction) { return settle(transaction, team, id, 0, "released"); };
  Reply reply = co_await change_once(call, team, 200, Json(), std::move(change));
  co_return reply;
}

}  // namespace

std::vector<Route> hold_routes() {
  constexpr const char *kAll = "/api/v1/teams/{id}/wallet/holds",
                       *kCapture = "/api/v1/teams/{id}/wallet/holds/{holdId}/capture",
                       *kRelease = "/api/v1/teams/{id}/wallet/holds/{holdId}/release";
  return {
      {Method::POST,
       kAll,
       add,
       {.summary = "Sets credits aside (admins)",
        .body = json_of<NewHold>(R"({"amount": 50, "reason": "An export", "expiresIn": 900})"),
        .answers = {{201, json_of<Hold>()}},
        .fails = {FailureKind::not_found, FailureKind::forbidden, FailureKind::insufficient_credits},
        .auth = Auth::required}},
      {Method::POST,
       kCapture,
       capture,
       {.summary = "Takes credits that were set aside, and gives the rest back (admins)",
        .body = json_of<Capture>(R"({"amount": 30})"),
        .answers = {{200, json_of<Hold>()}},
        .fails = {FailureKind::not_found, FailureKind::forbidden, FailureKind::conflict},
        .auth = Auth::required}},
      {Method::POST,
       kRelease,
       release,
       {.summary = "Gives back what was set aside (admins)",
        .body = nothing(),
        .answers = {{200, json_of<Hold>()}},
        .fails = {FailureKind::not_found, FailureKind::forbidden, FailureKind::conflict, FailureKind::unprocessable},
        .auth = Auth::required}}};
}

}  // namespace wallet
