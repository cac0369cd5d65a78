#include "wallet/top_up.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "wallet/ledger.h"
#include "wire/webhook_signature.h"

namespace wallet {

namespace {

constexpr std::size_t kBodyMax = 64 * 1024;
constexpr std::string_view kTopUp = "wallet.top_up";

// What comes after the type depends on it; others' messages are none of ours.
struct Message {
  std::string type;
  void fields(auto& f) {
    f("type", type, length(1, 100));
    f.ignore_others();
  }
};

struct Paid {
  std::string team_id, reason;
  std::int64_t amount = 0;
  void fields(auto& f) {
    f("teamId", team_id);
    f("amount", amount, range(1, static_cast<double>(kCreditsMax)));
    f("reason", reason, words(1, 200));
    f.ignore_others();
  }
};

struct TopUp {
  std::string type;
  Paid data;
  void fields(auto& f) {
    f("type", type);
    f("data", data);
    f.ignore_others();
  }
};

struct Granted {
  std::int64_t granted = 0;
  void fields(auto& f) { f("granted", granted); }
};

// With kJsonPadding behind it, as a document needs.
Async<std::string> whole_body(Call& call) {
  std::string body;
  for (std::string part = co_await call.body_part(); !part.empty(); part = co_await call.body_part()) body += part;
  body.reserve(body.size() + kJsonPadding);
  co_return body;
}

// A message's id is its key: one that is sent again, whenever that is, is booked once.
Async<Reply> take_message(Call& call, std::string key) {
  if (key.empty()) throw Failure(FailureKind::not_found, "this server takes no top-ups by webhook");
  const std::string body = co_await whole_body(call);
  const WebhookHead head{call.header("webhook-id"), call.header("webhook-timestamp"), call.header("webhook-signature")};
  if (!is_webhook_signed(key, head, body, WallClock::now()))
    throw Failure(FailureKind::unauthorized, "the webhook's signature or timestamp is wrong");
  const auto parsed = parse_json_view(body);
  if (!parsed) throw Failure(FailureKind::invalid_request, parsed.error());
  if (read_fields<Message>(*parsed).type != kTopUp) co_return json(200, Granted{});

  const Paid paid = read_fields<TopUp>(*parsed).data;
  const bool known = co_await call.is_team(paid.team_id);
  if (!known) throw_unprocessable({{"data.teamId", "is not a team's id"}});
  const std::string once = fmt::format("webhook {}", head.id);
  Transaction transaction = co_await call.services.database.begin();
  const auto before = co_await answer_before(transaction, once, sha256_hex(body));
  if (before) co_return json(200, *before);
  co_await grant(transaction, paid.team_id, paid.amount, paid.reason);
  const Json answer = write_fields(Granted{paid.amount});
  co_await remember_answer(transaction, once, answer);
  co_await transaction.commit();
  co_return json(200, answer);
}

}  // namespace

std::vector<Route> top_up_routes(const std::string& secret) {
  const std::string key = webhook_key(secret).value_or("");
  std::function<Async<Reply>(Call&, const PathValues&)> handler = [key](Call& call, const PathValues&) {
    return take_message(call, key);
  };
  return {{Method::POST,
           "/api/v1/wallet/webhook",
           std::move(handler),
           {.summary = "Takes a top-up from a payment provider (Standard Webhooks)",
            .body = bytes_of("application/json"),
            .answers = {{200, json_of<Granted>()}},
            .fails = {FailureKind::unauthorized, FailureKind::not_found, FailureKind::invalid_request,
                      FailureKind::unprocessable},
            .body_max = kBodyMax}}};
}

}  // namespace wallet
