// The pool against real servers, and against one that says only what it is told to. "Invariant N" is of the list at the
// head of io/postgres.cc.
#include "io/postgres.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "io/postgres_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

// A folder where a server's socket may be put, or not.
struct SocketFolder {
  SocketFolder() {
    char path[] = "/tmp/plugfleet-test-XXXXXX";
    if (!::mkdtemp(path)) fail("mkdtemp");
    folder = path;
  }
  ~SocketFolder() { std::filesystem::remove_all(folder); }
  std::filesystem::path socket() const { return folder / ".s.PGSQL.5432"; }
  // Later settings of a conninfo win.
  DatabaseOptions options() const {
    DatabaseOptions made = direct();
    made.conninfo += " host=" + folder.string() + " port=5432";
    return made;
  }
  std::filesystem::path folder;
};

// What a server says once it knows a client, and to a statement that gives no rows (PostgreSQL manual, chapter 55).
constexpr std::string_view kWelcome("R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", 15);
constexpr std::string_view kNoRows(
    "1\0\0\0\x04"
    "2\0\0\0\x04n\0\0\0\x04"
    "C\0\0\0\x0dSELECT 0\0Z\0\0\0\x05I",
    35);

// Listens where PostgreSQL would, and says only what it is told to.
struct FakeServer {
  FakeServer() {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    folder.socket().string().copy(address.sun_path, sizeof address.sun_path - 1);
    CHECK_EQ(::bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    CHECK_EQ(::listen(listening, 100), 0);
  }
  ~FakeServer() {
    hang_up();
    ::close(listening);
  }
  bool accepts() { return (client = ::accept(listening, nullptr, nullptr)) >= 0; }
  bool hears() {
    char bytes[4096];
    return ::recv(client, bytes, sizeof bytes, MSG_DONTWAIT) > 0;
  }
  void say(std::string_view bytes) { CHECK(::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0); }
  void hang_up() {
    if (client >= 0) ::close(std::exchange(client, -1));
  }
  SocketFolder folder;
  int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int client = -1;
};

}  // namespace

// ---- The pool ----------------------------------------------------------------------------------------------------

// Invariants 1 and 4: 1,000 at once over 4 connections.
ASYNC_TEST(a_thousand_queries_share_four_connections) {
  Database db(reactor, direct());
  auto outcomes = std::make_shared<Outcomes>();
  for (int i = 0; i < 1000; ++i) start(reactor, db, "select pg_backend_pid() from pg_sleep(0.002)", outcomes);
  for (int most = 0; outcomes->all() < 1000; co_await sleep_for(1ms)) {
    most = std::max(most, db.stats().open);
    CHECK(most <= 4);
  }
  CHECK_EQ(outcomes->rows, 1000);
  const std::set<std::string> backends(outcomes->in_order.begin(), outcomes->in_order.end());
  CHECK_EQ(backends.size(), 4u);
  CHECK_EQ(db.stats().idle, 4);
  CHECK_EQ(db.stats().waiting, 0);
}

// Invariant 4.
ASYNC_TEST(who_waits_is_served_in_order_of_arrival) {
  Database db(reactor, pooled(1));
  auto outcomes = std::make_shared<Outcomes>();
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    start(reactor, db, fmt::format("select {}", i), outcomes);
    expected.push_back(std::to_string(i));
  }
  UNTIL(outcomes->rows == 50);
  CHECK(outcomes->in_order == expected);
}

// Invariants 3 and 4.
ASYNC_TEST(a_cancelled_waiter_leaves_the_queue_and_the_next_is_served) {
  Database db(reactor, pooled(1));
  auto slow = std::make_shared<Outcomes>(), left = std::make_shared<Outcomes>(), next = std::make_shared<Outcomes>();
  start(reactor, db, "select pg_sleep(0.1)", slow);
  const TaskPtr leaving = start(reactor, db, "select 'left'", left);
  start(reactor, db, "select 'next'", next);
  UNTIL(db.stats().waiting == 2);
  leaving->cancel(Failure(FailureKind::cancelled, "left"));
  UNTIL(left->cancelled == 1);
  CHECK_EQ(db.stats().waiting, 1);
  UNTIL(next->rows == 1);
  CHECK_EQ(db.stats().idle, 1);
}

// Invariant 4: cancelled in the very turn in which it is handed the connection.
ASYNC_TEST(a_connection_handed_to_one_who_leaves_goes_to_the_next) {
  for (int round = 0; round < 50; ++round) {
    Database db(reactor, pooled(1));
    auto left = std::make_shared<Outcomes>(), next = std::make_shared<Outcomes>();
    const TaskPtr leaving = start(reactor, db, "select 'left'", left);
    start(reactor, db, "select 'next'", next);
    while (db.stats().waiting == 2) co_await sleep_for(0ms);
    leaving->cancel(Failure(FailureKind::cancelled, "left"));
    UNTIL(left->all() == 1 && next->rows == 1);
  }
}

// Invariant 4.
ASYNC_TEST(waiting_ends_at_the_acquire_timeout) {
  DatabaseOptions options = pooled(1);
  options.acquire_timeout = 50ms;
  Database db(reactor, options);
  auto slow = std::make_shared<Outcomes>(), late = std::make_shared<Outcomes>();
  start(reactor, db, "select pg_sleep(0.3)", slow);
  UNTIL(db.stats().open == 1 && db.stats().waiting == 0);
  start(reactor, db, "select 1", late);
  start(reactor, db, "select 1", late);
  const auto before = Clock::now();
  UNTIL(late->unavailable == 2);
  CHECK(Clock::now() - before >= 40ms);
  CHECK_EQ(slow->all(), 0);
  UNTIL(slow->rows == 1);
}

// Invariant 4.
ASYNC_TEST(one_too_many_is_refused_at_once) {
  DatabaseOptions options = pooled(1);
  options.waiting_max = 2;
  Database db(reactor, options);
  auto outcomes = std::make_shared<Outcomes>(), refused = std::make_shared<Outcomes>();
  start(reactor, db, "select pg_sleep(0.05)", outcomes);
  start(reactor, db, "select 1", outcomes);
  start(reactor, db, "select 1", refused);
  UNTIL(refused->all() == 1);
  CHECK_EQ(refused->unavailable, 1);
  CHECK_EQ(outcomes->all(), 0);
  UNTIL(outcomes->rows == 2);
}

// ---- Transactions ------------------------------------------------------------------------------------------------

ASYNC_TEST(a_transaction_commits_or_was_never_there) {
  Database db(reactor, pooled(1));
  Scratch table(db);
  co_await table.create("(n int)");
  {
    Transaction kept = co_await db.begin();
    co_await kept.query("insert into " + table.name + " values (1)");
    co_await kept.commit();
  }
  {
    Transaction dropped = co_await db.begin();
    co_await dropped.query("insert into " + table.name + " values (2)");
  }
  const Rows rows = co_await db.query("select sum(n) from " + table.name);
  CHECK_EQ(rows[0].integer(0), 1);
  co_await table.drop();
}

// Invariant 2.
ASYNC_TEST(an_abandoned_transaction_is_rolled_back_on_the_same_connection) {
  Database db(reactor, direct(1));
  const Rows first = co_await db.query("select pg_backend_pid()");
  {
    Transaction dropped = co_await db.begin();
    CHECK_EQ(db.stats().idle, 0);
  }
  co_await db.query("begin");  // nobody's transaction either
  const Rows second = co_await db.query("select txid_current(), pg_backend_pid()");
  const Rows third = co_await db.query("select txid_current(), pg_backend_pid()");
  CHECK_EQ(third[0].text(1), first[0].text(0));
  CHECK(third[0].text(0) != second[0].text(0));
}

ASYNC_TEST(what_waits_for_a_commit_is_done_once_that_has_taken_effect_and_never_after_a_rollback) {
  Database db(reactor, pooled());
  Scratch scratch(db);
  co_await scratch.create("(n int)");
  std::vector<std::string> done;
  {
    Transaction left_open = co_await db.begin();
    left_open.on_commit([&done] { done.emplace_back("left open"); });
    Transaction kept = co_await db.begin();
    kept.on_commit([&done] { done.emplace_back("first"); });
    co_await kept.query("insert into " + scratch.name + " values (1)");
    kept.on_commit([&done] { done.emplace_back("second"); });
    CHECK(done.empty());
    Transaction moved = std::move(kept);
    co_await moved.commit();
    CHECK(done == std::vector<std::string>({"first", "second"}));
  }
  {
    Transaction failed = co_await db.begin();
    failed.on_commit([&done] { done.emplace_back("failed"); });
    const auto refused = co_await failure_of(failed.query("select 1/0"));
    CHECK(refused == FailureKind::internal);
    const auto not_committed = co_await failure_of(failed.commit());
    CHECK(not_committed == FailureKind::internal);
  }
  co_await scratch.drop();
  CHECK_EQ(done.size(), 2u);
}

ASYNC_TEST(committing_what_had_failed_throws) {
  Database db(reactor, pooled(1));
  Transaction transaction = co_await db.begin();
  const Outcomes broken = co_await outcome_of(transaction.query("select 1/0"));
  CHECK_EQ(broken.errors.count("22012"), 1u);
  std::string state;
  try {
    co_await transaction.commit();
  } catch (const SqlError& error) {
    state = error.sqlstate();
  }
  CHECK_EQ(state, "25P02");
}

ASYNC_TEST(a_script_may_not_end_the_transaction_it_runs_in) {
  Database db(reactor, pooled(1));
  Transaction transaction = co_await db.begin();
  const Outcomes ended = co_await outcome_of(transaction.script("select 1; commit; select 2"));
  CHECK_EQ(ended.errors.count("25P01"), 1u);
}

Async<void> sleep_in_transaction(Database& db, std::shared_ptr<bool> begun) {
  Transaction transaction = co_await db.begin();
  *begun = true;
  co_await transaction.query("select pg_sleep(0.1)");
}

// Invariants 2 and 5.
ASYNC_TEST(a_transaction_cancelled_within_a_statement_is_rolled_back_after_it) {
  Database db(reactor, direct(1));
  const Rows first = co_await db.query("select pg_backend_pid()");
  const auto begun = std::make_shared<bool>(false);
  const TaskPtr task = reactor.spawn(sleep_in_transaction(db, begun), [](std::exception_ptr) {});
  UNTIL(*begun);
  task->cancel(Failure(FailureKind::cancelled, "left"));
  UNTIL(db.stats().idle == 1);
  const Rows second = co_await db.query("select txid_current(), pg_backend_pid()");
  const Rows third = co_await db.query("select txid_current(), pg_backend_pid()");
  CHECK_EQ(third[0].text(1), first[0].text(0));
  CHECK(third[0].text(0) != second[0].text(0));
}

// ---- When servers go away ----------------------------------------------------------------------------------------

// Invariant 6.
ASYNC_TEST(an_idle_connection_that_is_closed_costs_no_query) {
  Database admin(reactor, direct(1)), db(reactor, direct(1));
  for (int round = 0; round < 5; ++round) {
    const Rows own = co_await db.query("select pg_backend_pid()");
    co_await admin.query("select pg_terminate_backend($1::int, 2000)", {own[0].text(0)});
    if (round == 0) UNTIL(db.stats().open == 0);  // seen without being asked
  }
  CHECK(db.reachable());
}

// Invariant 6: closed so shortly before that the reactor has not heard of it yet.
ASYNC_TEST(a_connection_closed_in_this_very_turn_is_not_sent_a_query) {
  FakeServer server;
  Database db(reactor, server.folder.options());
  auto outcomes = std::make_shared<Outcomes>();
  for (int round = 0; round < 2; ++round) {
    server.hang_up();
    start(reactor, db, "select", outcomes);
    UNTIL(server.accepts());
    UNTIL(server.hears());
    server.say(kWelcome);
    UNTIL(server.hears());
    server.say(kNoRows);
    UNTIL(outcomes->all() == round + 1);
  }
  CHECK_EQ(outcomes->rows, 2);
}

// Invariant 7: PgBouncer lets clients in while PostgreSQL is down.
ASYNC_TEST(after_a_failure_a_connection_is_proven_before_it_is_handed_out) {
  FakeServer server;
  Database db(reactor, server.folder.options());
  auto outcomes = std::make_shared<Outcomes>();
  start(reactor, db, "select", outcomes);
  for (int attempt = 0; attempt < 3; ++attempt) {
    server.hang_up();
    UNTIL(server.accepts());
    UNTIL(server.hears());
    if (attempt > 0) server.say(kWelcome);
    if (attempt > 0) UNTIL(server.hears());
  }
  CHECK_EQ(outcomes->all(), 0);
  server.say(kNoRows);
  UNTIL(server.hears());
  server.say(kNoRows);
  UNTIL(outcomes->rows == 1);
}

// Invariant 7: an attempt failed while another connection served everybody, and then that one is lost.
ASYNC_TEST(a_pool_that_loses_its_last_connection_after_a_failure_makes_another) {
  FakeServer server;
  DatabaseOptions options = server.folder.options();
  options.acquire_timeout = 50ms;
  Database db(reactor, options);
  auto outcomes = std::make_shared<Outcomes>();
  start(reactor, db, "select", outcomes);
  UNTIL(server.accepts());
  UNTIL(server.hears());
  server.say(kWelcome);
  UNTIL(server.hears());
  int other = std::exchange(server.client, -1);
  start(reactor, db, "select", outcomes);
  UNTIL(server.accepts());
  std::swap(server.client, other);
  server.say(kNoRows);
  UNTIL(server.hears());
  server.say(kNoRows);
  UNTIL(outcomes->rows == 2);
  ::close(other);
  UNTIL(!db.trouble().empty());
  UNTIL(!db.reachable());
  server.hang_up();
  UNTIL(server.accepts());
  UNTIL(server.hears());
  server.say(kWelcome);
  UNTIL(server.hears());
  server.say(kNoRows);
  UNTIL(db.reachable());
}

// Invariant 6: what may have been sent is not sent again.
ASYNC_TEST(a_backend_terminated_within_a_statement_fails_it_once) {
  Database admin(reactor, direct(1));
  for (const DatabaseOptions& options : {pooled(1), direct(1)}) {
    Database db(reactor, options);
    const std::string sequence = "test_" + random_hex(6);
    co_await admin.query("create sequence " + sequence);
    auto outcomes = std::make_shared<Outcomes>();
    start(reactor, db, "select nextval('" + sequence + "'), pg_sleep(5)", outcomes);
    for (std::int64_t hit = 0; hit == 0;) {
      const Rows rows = co_await admin.query(
          "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like $1 and state = 'active' and "
          "wait_event = 'PgSleep'",
          {"select nextval('" + sequence + "'%"});
      hit = rows[0].integer(0);
    }
    UNTIL(outcomes->all() == 1);
    CHECK_EQ(outcomes->unavailable, 1);
    const Rows after = co_await db.query("select last_value, is_called from " + sequence);
    CHECK_EQ(after[0].integer(0), 1);
    CHECK(after[0].boolean(1));
    co_await admin.query("drop sequence " + sequence);
  }
}

Async<void> ask_until(Database& db, std::shared_ptr<bool> stop, std::shared_ptr<Outcomes> outcomes) {
  while (!*stop) {
    const Outcomes one = co_await outcome_of(db.query("select pg_sleep(0.001)"));
    outcomes->rows += one.rows;
    outcomes->unavailable += one.unavailable;
    outcomes->other += one.other + static_cast<int>(one.errors.size());
  }
}

ASYNC_TEST(every_backend_terminated_under_load_harms_only_what_ran) {
  Database admin(reactor, direct(1));
  Database db(reactor, pooled());
  auto outcomes = std::make_shared<Outcomes>();
  auto stop = std::make_shared<bool>(false);
  int running = 40;
  for (int i = 0; i < running; ++i) {
    reactor.spawn(ask_until(db, stop, outcomes), [&](std::exception_ptr) { --running; });
  }
  for (int round = 0; round < 5; ++round) {
    const int goal = outcomes->rows + 50;
    UNTIL(outcomes->rows >= goal);
    co_await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(0.001)' and pid <> "
        "pg_backend_pid()");
  }
  *stop = true;
  UNTIL(running == 0);
  CHECK_EQ(outcomes->other, 0);
  CHECK(outcomes->unavailable > 0 && outcomes->unavailable <= 5 * 4);
  CHECK_EQ(db.stats().waiting, 0);
  CHECK(db.stats().open <= 4);
}

// Invariants 7 and 8.
ASYNC_TEST(without_a_server_queries_fail_quickly_and_with_one_they_work_again) {
  SocketFolder folder;
  DatabaseOptions options = folder.options();
  options.acquire_timeout = 200ms;
  Database admin(reactor, direct(1)), db(reactor, options);
  CHECK(db.reachable());
  const Outcomes first = co_await outcome_of(db.query("select 1"));
  CHECK_EQ(first.unavailable, 1);
  CHECK(!db.reachable());
  CHECK_CONTAINS(db.trouble(), folder.folder.string());
  const auto known = std::make_shared<Outcomes>();
  for (int i = 0; i < 100; ++i) start(reactor, db, "select 1", known);
  CHECK_EQ(db.stats().waiting, 0);  // none of them waits to be told
  UNTIL(known->unavailable == 100);

  const Rows where = co_await admin.query(
      "select split_part(current_setting('unix_socket_directories'), ',', 1) || '/.s.PGSQL.' || "
      "current_setting('port')");
  std::filesystem::create_symlink(where[0].text(0), folder.socket());
  UNTIL(db.reachable());  // though nobody asks
  const Rows rows = co_await db.query("select 1");
  CHECK_EQ(rows.size(), 1u);
}

// Invariant 8: a short absence costs time, not queries.
ASYNC_TEST(a_server_that_comes_back_in_time_costs_no_query) {
  SocketFolder folder;
  Database admin(reactor, direct(1)), db(reactor, folder.options());
  auto outcomes = std::make_shared<Outcomes>();
  for (int i = 0; i < 20; ++i) start(reactor, db, "select 1", outcomes);
  UNTIL(!db.reachable());
  const Rows where = co_await admin.query(
      "select split_part(current_setting('unix_socket_directories'), ',', 1) || '/.s.PGSQL.' || "
      "current_setting('port')");
  std::filesystem::create_symlink(where[0].text(0), folder.socket());
  UNTIL(outcomes->all() == 20);
  CHECK_EQ(outcomes->rows, 20);
}

ASYNC_TEST(a_server_that_never_answers_is_given_up) {
  FakeServer silent;
  DatabaseOptions options = silent.folder.options();
  options.connect_timeout = 50ms;
  options.acquire_timeout = 150ms;
  Database db(reactor, options);
  const Outcomes outcomes = co_await outcome_of(db.query("select 1"));
  CHECK_EQ(outcomes.unavailable, 1);
  CHECK(!db.reachable());
}

// Invariant 5: nor does it answer who asks it to cancel.
ASYNC_TEST(a_server_that_never_answers_a_statement_loses_the_connection) {
  FakeServer server;
  DatabaseOptions options = server.folder.options();
  options.statement_timeout = 50ms;
  Database db(reactor, options);
  auto outcomes = std::make_shared<Outcomes>();
  start(reactor, db, "select", outcomes);
  UNTIL(server.accepts());
  UNTIL(server.hears());
  server.say(kWelcome);
  UNTIL(server.hears());
  UNTIL(outcomes->unavailable == 1);
  CHECK_EQ(db.stats().open, 0);
  CHECK_CONTAINS(db.trouble(), "took too long");
}

ASYNC_TEST(a_bad_conninfo_is_no_database) {
  Database db(reactor, {.conninfo = "no such thing=1", .acquire_timeout = 50ms});
  const Outcomes outcomes = co_await outcome_of(db.query("select 1"));
  CHECK_EQ(outcomes.unavailable, 1);
}

ASYNC_TEST(closing_lets_what_runs_and_waits_end) {
  Database db(reactor, pooled(1));
  auto outcomes = std::make_shared<Outcomes>();
  start(reactor, db, "select pg_sleep(0.05)", outcomes);
  start(reactor, db, "select 1", outcomes);
  UNTIL(db.stats().waiting == 1);
  co_await db.close(5s);
  CHECK_EQ(outcomes->rows, 2);
  CHECK_EQ(db.stats().open, 0);
  const Outcomes after = co_await outcome_of(db.query("select 1"));
  CHECK_EQ(after.unavailable, 1);
}

ASYNC_TEST(closing_ends_what_is_too_slow) {
  Database db(reactor, pooled(1));
  auto outcomes = std::make_shared<Outcomes>();
  start(reactor, db, "select pg_sleep(5)", outcomes);
  start(reactor, db, "select 1", outcomes);
  UNTIL(db.stats().waiting == 1);
  co_await db.close(20ms);
  UNTIL(outcomes->unavailable == 2);
}
