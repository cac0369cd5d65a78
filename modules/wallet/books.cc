#include "wallet/books.h"

#include "wallet/ledger.h"

namespace wallet {

namespace {

struct Wallet {
  std::int64_t balance = 0, held = 0, available = 0;  // the balance: both others
  std::string currency = "credits";
  void fields(auto& f) {
    f("balance", balance);
    f("held", held);
    f("available", available);
    f("currency", currency);
  }
};

constexpr std::string_view kKinds[] = {"grant", "hold", "capture", "release", "expiry"};

struct Entry {
  std::int64_t number = 0, amount = 0;
  std::string at, kind, reason;
  std::optional<std::string> hold_id;
  void fields(auto& f) {
    f("number", number);
    f("at", at, time_text());
    f("kind", kind, one_of(kKinds));
    f("amount", amount, range(1, kCreditsMax));
    f("reason", reason);
    f("holdId", hold_id, uuid_text());
  }
};

struct Entries {
  std::vector<Entry> entries;
  std::optional<std::string> next_cursor;
  void fields(auto& f) {
    f("entries", entries);
    f("nextCursor", next_cursor);
  }
};

// What overdue holds still have in the books counts as available, as wallet_hold() takes it.
constexpr const char* kWallet = R"sql(
with overdue as (
  select coalesce(sum(amount), 0) as credits from wallet_holds
   where team_id = $1 and state = 'open' and expires_at <= clock_timestamp()
)
select coalesce(sum(balance), 0) as balance,
       coalesce(sum(balance) filter (where kind = 'held'), 0) - (select credits from overdue) as held,
       coalesce(sum(balance) filter (where kind = 'available'), 0) + (select credits from overdue) as available,
       'credits' as currency
  from wallet_accounts where team_id = $1 and kind in ('held', 'available'))sql";

constexpr const char* kEntries = R"sql(
select id as number, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, kind, amount, reason, hold_id
  from wallet_transfers where team_id = $1 and ($2::bigint is null or id < $2) order by id desc limit $3)sql";

Async<Reply> show(Call& call, std::string team) {
  co_await call.member_of(team, Role::viewer);
  const auto wallet = co_await call.services.database.one<Wallet>(kWallet, team);
  co_return json(200, wallet);
}

Async<Reply> list(Call& call, std::string team) {
  const auto page = call.query<PageQuery>();
  const PageKey<1> after(page.cursor);
  co_await call.member_of(team, Role::viewer);
  Entries shown;
  shown.entries = co_await call.services.database.all<Entry>(kEntries, team, after.number(0), page.rows());
  shown.next_cursor =
      page.next(shown.entries, [](const Entry& last) { return page_cursor({std::to_string(last.number)}); });
  co_return json(200, shown);
}

}  // namespace

std::vector<Route> book_routes() {
  return {{Method::GET,
           "/api/v1/teams/{id}/wallet",
           show,
           {.summary = "A team's credits",
            .answers = {{200, json_of<Wallet>()}},
            .fails = {FailureKind::not_found},
            .auth = Auth::required,
            .permission = "wallet:read"}},
          {Method::GET,
           "/api/v1/teams/{id}/wallet/entries",
           list,
           {.summary = "What moved a team's credits, the latest first",
            .query = type_of<PageQuery>(),
            .answers = {{200, json_of<Entries>()}},
            .fails = {FailureKind::not_found},
            .auth = Auth::required,
            .permission = "wallet:read"}}};
}

}  // namespace wallet
