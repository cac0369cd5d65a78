// Operators' tokens against real PostgreSQL, through PgBouncer.
#include "core/operator_tokens.h"

#include <set>

#include "base/digest.h"
#include "io/postgres_support.h"
#include "support/async.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

std::string fresh_name() { return "test " + random_hex(8); }

// A process that may ask, and one that makes and revokes tokens.
struct Two {
  explicit Two(Reactor& reactor) : db(reactor, pooled()), worker(db), desk(db) {}

  Async<std::string> make(std::string name, std::optional<std::chrono::seconds> lifetime = {}) {
    const auto token = co_await desk.create(name, lifetime);
    CHECK(token.has_value());
    co_return *token;
  }
  Async<OperatorToken> row(std::string name) {
    const auto all = co_await desk.list();
    for (const OperatorToken& token : all) {
      if (token.name == name) co_return token;
    }
    fail("it is not listed");
  }

  Database db;
  OperatorTokens worker, desk;
};

Async<void> until_refused(OperatorTokens& tokens, std::string token) {
  for (const auto deadline = Clock::now() + 9s;; co_await sleep_for(20ms)) {
    const bool admitted = co_await tokens.admits(token);
    if (!admitted) co_return;
    CHECK(Clock::now() < deadline);
  }
}

}  // namespace

ASYNC_TEST(a_token_is_admitted_and_only_its_digest_is_kept) {
  Two two(reactor);
  const std::string name = fresh_name();
  const std::string token = co_await two.make(name);
  CHECK(token.starts_with("pft_"));
  CHECK_EQ(token.size(), 47u);
  CHECK(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == token.npos);
  const bool admitted = co_await two.worker.admits(token);
  CHECK(admitted);
  const Rows rows = co_await two.db.query(
      "select t::text as row, encode(token_hash, 'hex') as hash "
      "from operator_tokens t where name = $1",
      {name});
  CHECK_EQ(rows[0].text("hash"), sha256_hex(token));
  CHECK(rows[0].text("row").find(token.substr(4)) == std::string_view::npos);
}

ASYNC_TEST(no_two_tokens_are_alike_and_no_name_is_used_twice) {
  Two two(reactor);
  std::set<std::string> tokens;
  for (int i = 0; i < 20; ++i) {
    const std::string token = co_await two.make(fresh_name());
    CHECK(tokens.insert(token).second);
  }
  const std::string name = fresh_name();
  co_await two.make(name);
  const auto again = co_await two.desk.create(name, {});
  CHECK(!again);
  co_await two.desk.revoke(name);
  const auto later = co_await two.desk.create(name, {});
  CHECK(!later);
}

ASYNC_TEST(what_is_no_token_is_refused) {
  Two two(reactor);
  const std::string token = co_await two.make(fresh_name());
  std::string other = token;
  other.back() = other.back() == 'A' ? 'B' : 'A';
  std::string lower = token;
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  for (const std::string& wrong : {std::string(), std::string("pft_"), other, lower, token + "A", token.substr(0, 46),
                                   "xft_" + token.substr(4), "pft_" + std::string(43, '\''), std::string(47, '\0')}) {
    const bool admitted = co_await two.worker.admits(wrong);
    CHECK(!admitted);
  }
}

ASYNC_TEST(a_revoked_token_is_refused_by_who_learns_of_it) {
  Two two(reactor);
  const std::string name = fresh_name();
  const std::string token = co_await two.make(name);
  bool admitted = co_await two.worker.admits(token);
  CHECK(admitted);
  bool revoked = co_await two.desk.revoke(name);
  CHECK(revoked);
  OperatorTokens other(two.db);
  admitted = co_await other.admits(token);
  CHECK(!admitted);
  revoked = co_await two.desk.revoke(name);
  CHECK(!revoked);
  revoked = co_await two.desk.revoke(fresh_name());
  CHECK(!revoked);
  const OperatorToken row = co_await two.row(name);
  CHECK_EQ(row.state, "revoked");
}

ASYNC_TEST(a_token_is_refused_once_it_has_expired_also_where_it_was_good_before) {
  Two two(reactor);
  const std::string name = fresh_name();
  const std::string token = co_await two.make(name, 2s);
  const auto made = Clock::now();
  const bool admitted = co_await two.worker.admits(token);
  CHECK(admitted);
  co_await until_refused(two.worker, token);  // what is remembered ends with the token
  CHECK(Clock::now() - made > 1900ms);
  const OperatorToken row = co_await two.row(name);
  CHECK_EQ(row.state, "expired");
}

ASYNC_TEST(an_answer_is_remembered) {
  Two two(reactor);
  const std::string token = co_await two.make(fresh_name());
  std::string wrong = token;
  wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
  bool admitted = co_await two.worker.admits(token);
  CHECK(admitted);
  admitted = co_await two.worker.admits(wrong);
  CHECK(!admitted);
  co_await two.db.close(0ms);
  admitted = co_await two.worker.admits(token);
  CHECK(admitted);
  admitted = co_await two.worker.admits(wrong);
  CHECK(!admitted);
}

ASYNC_TEST(many_wrong_tokens_do_not_push_the_database_aside) {
  Two two(reactor);
  const std::string good = co_await two.make(fresh_name());
  for (int i = 0; i < 1100; ++i) {
    std::string wrong = random_hex(22);
    const bool admitted = co_await two.worker.admits("pft_" + wrong.substr(0, 43));
    CHECK(!admitted);
  }
  const bool admitted = co_await two.worker.admits(good);
  CHECK(admitted);
}

ASYNC_TEST(with_the_database_down_nobody_knows) {
  Database nowhere(reactor, {.conninfo = "host=/nonexistent"});
  OperatorTokens tokens(nowhere);
  const auto failure = co_await failure_of(tokens.admits("pft_" + std::string(43, 'A')));
  CHECK(failure == FailureKind::unavailable);
}

ASYNC_TEST(its_last_use_is_kept_to_the_minute) {
  Two two(reactor);
  const std::string name = fresh_name();
  const std::string token = co_await two.make(name);
  OperatorToken row = co_await two.row(name);
  CHECK(!row.last_used_at);
  co_await two.worker.admits(token);
  row = co_await two.row(name);
  CHECK(row.last_used_at.has_value());
  const std::string first = *row.last_used_at;
  OperatorTokens other(two.db);
  co_await other.admits(token);
  row = co_await two.row(name);
  CHECK_EQ(*row.last_used_at, first);
  co_await two.db.query("update operator_tokens set last_used_at = last_used_at - interval '61 s' where name = $1",
                        {name});
  OperatorTokens third(two.db);
  co_await third.admits(token);
  row = co_await two.row(name);
  CHECK(*row.last_used_at > first);
}

ASYNC_TEST(a_replaced_token_is_good_for_the_overlap_beside_the_new_one) {
  Two two(reactor);
  const std::string name = fresh_name();
  const std::string first = co_await two.make(name, 90 * 24h);
  const auto second = co_await two.desk.replace(name, 1h);
  CHECK(second.has_value());
  CHECK(*second != first);
  for (const std::string& token : {first, *second}) {
    const bool admitted = co_await two.worker.admits(token);
    CHECK(admitted);
  }
  const Rows ends = co_await two.db.query(
      "select name, extract(epoch from expires_at - now())::bigint as seconds from operator_tokens "
      "where starts_with(name, $1) order by created_at",
      {name});
  CHECK_EQ(ends.size(), 2u);
  CHECK_CONTAINS(std::string(ends[0].text("name")), name + " before 20");
  CHECK(ends[0].integer("seconds") > 3500 && ends[0].integer("seconds") <= 3600);
  CHECK_EQ(ends[1].text("name"), name);
  CHECK(ends[1].integer("seconds") > 89 * 86'400);  // the old one's lifetime

  const auto third = co_await two.desk.replace(name, 2h);
  CHECK(third.has_value());
  const Rows first_end =
      co_await two.db.query("select expires_at < now() + interval '1 h' as early from operator_tokens where name = $1",
                            {std::string(ends[0].text("name"))});
  CHECK(first_end[0].boolean("early"));
}

ASYNC_TEST(what_a_token_replaced_can_be_revoked_at_once_and_no_other_goes_with_it) {
  Two two(reactor);
  const std::string name = fresh_name();
  const std::string first = co_await two.make(name);
  const std::string neighbour = co_await two.make(name + " before lunch");
  const auto second = co_await two.desk.replace(name, 24h);
  const std::size_t count = co_await two.desk.revoke_replaced(name);
  CHECK_EQ(count, 1u);
  const bool old_one = co_await two.worker.admits(first);
  CHECK(!old_one);
  for (const std::string& token : {*second, neighbour}) {
    const bool admitted = co_await two.worker.admits(token);
    CHECK(admitted);
  }
  const std::size_t again = co_await two.desk.revoke_replaced(name);
  CHECK_EQ(again, 0u);
}

ASYNC_TEST(a_token_that_is_not_there_or_was_revoked_is_not_replaced) {
  Two two(reactor);
  const std::string name = fresh_name();
  auto token = co_await two.desk.replace(name, 1h);
  CHECK(!token);
  co_await two.make(name);
  co_await two.desk.revoke(name);
  token = co_await two.desk.replace(name, 1h);
  CHECK(!token);
}
