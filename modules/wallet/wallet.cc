// wallet: teams' credits (the contract's "Wallet"). What holds of the books stands with their tables, in
// migrations/0001_create_wallet.sql. Jobs that have a price are paid by hold_for_job() and settle_jobs(), which the queue
// calls (core/jobs/jobs.h, JobPrice): for those the wallet is in the fleet's database.
#include "wallet/books.h"
#include "wallet/holds.h"
#include "wallet/ledger.h"
#include "wallet/top_up.h"
#include "wire/webhook_signature.h"

namespace wallet {

namespace {

constexpr const char* kExpire = "wallet.expire";

Async<Outcome> expire(Job& job) {
  const std::size_t count = co_await expire_holds(job.services.database);
  co_return done(Json::object({{"expired", count}}));
}

Module describe(SettingReader& settings) {
  std::string secret;
  settings.secret("WALLET_WEBHOOK_SECRET", secret);
  if (!secret.empty() && !webhook_key(secret))
    settings.complain("WALLET_WEBHOOK_SECRET: must be whsec_ and 24 to 64 bytes in Base64");
  Module module{.name = "wallet",
                .jobs = {{.kind = kExpire, .run = expire, .timeout = 1min}},
                .crons = {{.name = "wallet_expire_holds", .schedule = "20 3 * * *", .kind = kExpire}}};
  for (auto routes : {book_routes(), hold_routes(), top_up_routes(secret)})
    std::ranges::move(routes, std::back_inserter(module.routes));
  return module;
}

}  // namespace
}  // namespace wallet

PLUGFLEET_MODULE(wallet::describe)
