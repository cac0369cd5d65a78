// The books against real PostgreSQL: what they keep true, whoever writes at once.
#include "wallet/ledger.h"

#include <algorithm>

#include "support/fresh_database.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

constexpr const char* kTeam = "11111111-1111-1111-1111-111111111111";
constexpr const char* kOther = "22222222-2222-2222-2222-222222222222";

// A database with the whole schema, and as many connections as a test asks at once.
struct Books {
  explicit Books(Reactor& reactor) : fresh(reactor), db(reactor, options()) {}
  Async<void> open(std::int64_t credits) {
    co_await fresh.create();
    co_await fresh.migrate();
    if (credits > 0) co_await wallet::grant(db, kTeam, credits, "a gift");
  }
  Async<void> close() {
    const auto wrong = co_await complaints();
    CHECK_EQ(fmt::format("{}", fmt::join(wrong, "; ")), "");
    co_await db.close(1s);
    co_await fresh.drop();
  }
  Async<std::vector<std::string>> complaints() { return db.all<std::string>("select wallet_check()"); }

  Async<std::int64_t> balance(const char* kind, const char* team = kTeam) {
    const auto found = co_await db.maybe<std::int64_t>(
        "select balance from wallet_accounts where team_id = $1 and kind = $2", team, kind);
    co_return found.value_or(0);
  }
  // The hold; nothing where there are too few credits.
  Async<std::optional<wallet::Hold>> hold(std::int64_t amount, std::chrono::seconds time = 60s) {
    std::optional<wallet::Hold> made;
    try {
      Transaction transaction = co_await db.begin();
      made = co_await wallet::hold(transaction, kTeam, amount, "a test", time);
      co_await transaction.commit();
    } catch (const Failure& failure) {
      if (failure.kind() != FailureKind::insufficient_credits) throw;
      made.reset();
    }
    co_return made;
  }
  Async<std::optional<FailureKind>> settle(std::string id, std::int64_t amount, std::string becomes,
                                           const char* team = kTeam) {
    const auto failed = co_await failure_of(settled(std::move(id), amount, std::move(becomes), team));
    co_return failed;
  }
  Async<void> settled(std::string id, std::int64_t amount, std::string becomes, const char* team) {
    Transaction transaction = co_await db.begin();
    co_await wallet::settle(transaction, team, id, amount, becomes);
    co_await transaction.commit();
  }
  DatabaseOptions options() const {
    DatabaseOptions with = fresh.options();
    with.pool_max = 16;
    return with;
  }

  FreshDatabase fresh;
  Database db;
};

Async<void> take_one(Books& books, int& taken, int& refused) {
  const auto hold = co_await books.hold(1);
  if (!hold) {
    ++refused;
    co_return;
  }
  const auto failed = co_await books.settle(hold->id, 1, "captured");
  CHECK(!failed);
  ++taken;
}

Async<void> capture(Books& books, std::string id, int& captured) {
  const auto failed = co_await books.settle(std::move(id), 7, "captured");
  CHECK(!failed || failed == FailureKind::conflict);
  captured += failed ? 0 : 1;
}

}  // namespace

ASYNC_TEST(a_hundred_who_take_one_of_fifty_get_fifty) {
  Books books(reactor);
  co_await books.open(50);
  int taken = 0, refused = 0;
  co_await all_at_once(reactor, 100, [&](int) { return take_one(books, taken, refused); });
  CHECK_EQ(taken, 50);
  CHECK_EQ(refused, 50);
  const auto spent = co_await books.balance("spent");
  CHECK_EQ(spent, 50);
  co_await books.close();
}

ASYNC_TEST(a_hold_is_captured_once_however_many_try_at_once) {
  Books books(reactor);
  co_await books.open(50);
  const auto hold = co_await books.hold(10);
  int captured = 0;
  co_await all_at_once(reactor, 8, [&](int) { return capture(books, hold->id, captured); });
  CHECK_EQ(captured, 1);
  const auto available = co_await books.balance("available");
  CHECK_EQ(available, 43);  // what was not taken of it is back
  const auto held = co_await books.balance("held");
  CHECK_EQ(held, 0);
  co_await books.close();
}

ASYNC_TEST(what_is_released_is_back_whole_and_cant_be_captured) {
  Books books(reactor);
  co_await books.open(50);
  const auto hold = co_await books.hold(10);
  const auto released = co_await books.settle(hold->id, 0, "released");
  CHECK(!released);
  const auto captured = co_await books.settle(hold->id, 1, "captured");
  CHECK(captured == FailureKind::conflict);
  const auto available = co_await books.balance("available");
  CHECK_EQ(available, 50);
  co_await books.close();
}

ASYNC_TEST(no_more_than_was_held_is_captured_and_nobody_elses) {
  Books books(reactor);
  co_await books.open(50);
  const auto hold = co_await books.hold(10);
  const auto too_much = co_await books.settle(hold->id, 11, "captured");
  CHECK(too_much == FailureKind::unprocessable);
  const auto theirs = co_await books.settle(hold->id, 1, "captured", kOther);
  CHECK(theirs == FailureKind::not_found);
  const auto no_id = co_await books.settle("'", 1, "captured");
  CHECK(no_id == FailureKind::not_found);
  co_await books.close();
}

ASYNC_TEST(an_overdue_hold_is_nobodys_and_given_back_when_it_is_needed_or_looked_for) {
  Books books(reactor);
  co_await books.open(50);
  const auto first = co_await books.hold(40), second = co_await books.hold(10);
  co_await books.db.query("update wallet_holds set expires_at = now() where amount = 40");
  const auto late = co_await books.settle(first->id, 40, "captured");
  CHECK(late == FailureKind::conflict);
  const auto needed = co_await books.hold(40);
  CHECK(needed.has_value());
  co_await books.db.query("update wallet_holds set expires_at = now()");
  const auto expired = co_await wallet::expire_holds(books.db);
  CHECK_EQ(expired, 2u);
  const auto available = co_await books.balance("available");
  CHECK_EQ(available, 50);
  co_await books.close();
}

ASYNC_TEST(who_lacks_credits_is_told_how_many) {
  Books books(reactor);
  co_await books.open(50);
  std::string said;
  try {
    Transaction transaction = co_await books.db.begin();
    co_await wallet::hold(transaction, kTeam, 80, "a test", 60s);
  } catch (const Failure& failure) {
    said = failure.message();
  }
  CHECK_EQ(said, "this takes 80 credits and the team has 50 available: 30 are missing");
  co_await books.close();
}

ASYNC_TEST(the_check_tells_whatever_is_changed_behind_its_back) {
  Books books(reactor);
  co_await books.open(50);
  const auto hold = co_await books.hold(10);
  co_await books.settle(hold->id, 4, "captured");
  co_await books.hold(5);
  const std::vector<std::string> harms = {
      "update wallet_accounts set balance = balance + 1 where kind = 'available'",
      "update wallet_accounts set balance = balance - 1 where kind = 'granted'",
      "update wallet_entries set amount = amount + 1 where number = 1",
      "update wallet_entries set balance = balance + 1 where number = 2",
      "update wallet_entries set hash = sha256('x') where number = 1",
      "update wallet_transfers set amount = amount + 1 where kind = 'hold'",
      "update wallet_transfers set reason = 'another' where kind = 'grant'",
      "update wallet_transfers set hold_id = gen_random_uuid() where kind = 'capture'",
      "update wallet_holds set captured = captured - 1 where state = 'captured'",
      "update wallet_holds set state = 'released', ended_at = now() where state = 'open'",
      "delete from wallet_entries where number = 1",
      "delete from wallet_entries e using wallet_accounts a where a.id = e.account_id and e.number = a.entries",
      "delete from wallet_transfers where kind = 'capture'",
      "delete from wallet_holds",
  };
  for (const std::string& harm : harms) {
    Transaction transaction = co_await books.db.begin();
    const Rows changed = co_await transaction.query(harm);
    CHECK(changed.affected() > 0);
    const auto complaints = co_await transaction.all<std::string>("select wallet_check()");
    if (complaints.empty()) fail("nobody complains of: " + harm);
  }
  co_await books.close();
}

ASYNC_TEST(the_database_itself_refuses_what_is_below_zero) {
  Books books(reactor);
  co_await books.open(50);
  const auto refused = co_await failure_of(books.db.query(
      "select wallet_transfer(w.available, w.spent, 51, 'capture', 'a mistake') from wallet_open($1) w", {kTeam}));
  CHECK(refused == FailureKind::internal);
  const auto available = co_await books.balance("available");
  CHECK_EQ(available, 50);
  co_await books.close();
}

ASYNC_TEST(a_key_is_answered_as_before_and_once) {
  Books books(reactor);
  co_await books.open(0);
  for (const bool first : {true, false}) {
    Transaction transaction = co_await books.db.begin();
    const auto before = co_await wallet::answer_before(transaction, "k", "digest");
    CHECK_EQ(before.has_value(), !first);
    if (before) {
      CHECK_EQ(before->dump(), R"({"a":1})");
    } else {
      co_await wallet::remember_answer(transaction, "k", Json::object({{"a", 1}}));
    }
    co_await transaction.commit();
  }
  Transaction transaction = co_await books.db.begin();
  const auto other = co_await failure_of(wallet::answer_before(transaction, "k", "another"));
  CHECK(other == FailureKind::unprocessable);
  co_await books.close();
}
