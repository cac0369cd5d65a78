// Values, rows and statements, against real servers. "Invariant N" is of the list at the head of io/postgres.cc.
#include "io/postgres_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

// ---- Values ------------------------------------------------------------------------------------------------------

ASYNC_TEST(parameters_arrive_as_they_were_given) {
  Database db(reactor, pooled());
  const std::string odd = "O'Brien \"q\" \\ $1 ; -- \n\t Grüße 🎨";
  const std::optional<std::string> nothing;
  const Rows rows = co_await db.query(
      "select $1::text, $2::text, $3::bigint, $4::bool, $5::float8, $6::text, $7::uuid, length($1), $8::jsonb->>'k', "
      "$9::text",
      {odd, std::nullopt, std::int64_t{-9007199254740993}, true, 0.1, nothing, "7b0e5e0e-1111-4222-8333-944444444444",
       "{\"k\": \"v\"}", ""});
  CHECK_EQ(rows.size(), 1u);
  const Row row = rows[0];
  CHECK_EQ(row.text(0), odd);
  CHECK(row.is_null(1) && row.is_null(5) && !row.is_null(0));
  CHECK_EQ(row.integer(2), -9007199254740993);
  CHECK(row.boolean(3));
  CHECK_EQ(row.real(4), 0.1);
  CHECK_EQ(row.text("uuid"), "7b0e5e0e-1111-4222-8333-944444444444");
  CHECK_EQ(row.integer("length"), 32);
  CHECK_EQ(row.text(8), "v");
  CHECK(row.text(9).empty() && !row.is_null(9));
}

ASYNC_TEST(arrays_keep_every_element) {
  Database db(reactor, pooled());
  const std::vector<std::string> odd = {"", "NULL", "a,b", "{x}", "q\"q", "b\\s", " spaces ", "ü\n", "'"};
  const std::vector<std::optional<std::string>> holes = {"a", std::nullopt};
  const Rows rows = co_await db.query("select e from unnest($1::text[]) with ordinality as u(e, n) order by n", {odd});
  CHECK_EQ(rows.size(), odd.size());
  for (std::size_t i = 0; i < odd.size(); ++i) CHECK_EQ(rows[i].text(0), odd[i]);
  const Rows more = co_await db.query(
      "select cardinality($1::text[]), $2::text[] = array['a', null], $3::int[] = array[1, -2], "
      "$4::bool[] = array[true, false]",
      {std::vector<std::string>(), holes, std::vector<int>{1, -2}, std::vector<bool>{true, false}});
  CHECK_EQ(more[0].integer(0), 0);
  CHECK(more[0].boolean(1) && more[0].boolean(2) && more[0].boolean(3));
}

ASYNC_TEST(a_parameter_with_a_nul_is_refused_before_it_is_sent) {
  const std::string cut("ad\0min", 6);
  CHECK_THROWS(Failure, Params(cut));
  CHECK_THROWS(Failure, Params(std::vector<std::string>{cut}));
  CHECK_THROWS(Failure, Params(std::vector<std::string>{"\"" + cut}));
  co_return;
}

ASYNC_TEST(rows_are_read_by_name_and_by_place) {
  Database db(reactor, pooled());
  const Rows rows = co_await db.query("select n as number, 'x' || n as word from generate_series(1, 3) n");
  int sum = 0;
  for (const Row row : rows) sum += static_cast<int>(row.integer("number"));
  CHECK_EQ(sum, 6);
  CHECK_EQ(rows[2].text("word"), "x3");
  CHECK_EQ(rows.affected(), 3);
  CHECK_THROWS(Failure, rows[0].text("nowhere"));
  CHECK_THROWS(Failure, rows[0].text(2));
  CHECK_THROWS(Failure, rows[3].text(0));
  CHECK_THROWS(Failure, rows[0].integer("word"));
  const Rows none = co_await db.query("select 1 where false");
  CHECK(none.empty());
}

ASYNC_TEST(big_statements_and_big_results_pass) {
  Database db(reactor, pooled());
  std::string big(6'000'000, 'x');
  big[3'000'000] = 'y';
  const Rows back = co_await db.query("select $1::text, length($1)", {big});
  CHECK(back[0].text(0) == big);
  const Rows many = co_await db.query("select n, repeat('z', 100) from generate_series(1, 50000) n");
  CHECK_EQ(many.size(), 50'000u);
  CHECK_EQ(many[49'999].integer(0), 50'000);
}

// ---- Statements --------------------------------------------------------------------------------------------------

ASYNC_TEST(an_sql_error_names_its_state_and_keeps_the_connection) {
  Database db(reactor, direct(1));
  const Rows first = co_await db.query("select pg_backend_pid()");
  std::string state, message;
  try {
    const Rows none = co_await db.query("select * from no_such_table");
  } catch (const SqlError& error) {
    state = error.sqlstate(), message = error.message();
    CHECK_CONTAINS(error.primary(), "no_such_table");
  }
  CHECK_EQ(state, "42P01");
  CHECK(!message.contains("no_such_table"));
  const Rows second = co_await db.query("select pg_backend_pid()");
  CHECK_EQ(first[0].text(0), second[0].text(0));
}

ASYNC_TEST(a_sqlstate_speaks_of_the_server_of_data_or_of_the_statement) {
  for (const char* state : {"25006", "57014", "57P01", "57P03", "55P03", "40001", "40P01", "53100", "53300", "53200",
                            "58030", "58P01", "XX000", "XX001", "08006"}) {
    CHECK(fault_of(state) == SqlFault::server);
    const SqlError error(state, "words");
    CHECK(error.kind() == FailureKind::unavailable && error.retry_after());
  }
  for (const char* state : {"22P02", "22021", "23505", "23514", "54000"}) CHECK(fault_of(state) == SqlFault::data);
  for (const char* state : {"42P01", "42883", "25P02", "0A000", "08P01"}) {
    CHECK(fault_of(state) == SqlFault::statement);
    CHECK(SqlError(state, "words").kind() == FailureKind::internal);
  }
  co_return;
}

// Invariant 8.
ASYNC_TEST(a_session_that_refuses_to_write_is_ended) {
  Database db(reactor, direct(1));
  Scratch table(db);
  co_await table.create("(n int)");
  const Rows first =
      co_await db.query("select pg_backend_pid() as pid, set_config('default_transaction_read_only', 'on', false)");
  const Outcomes refused = co_await outcome_of(db.query("insert into " + table.name + " values (1)"));
  CHECK_EQ(refused.errors.count(std::string(kReadOnlyTransaction)), 1u);
  for (const auto deadline = Clock::now() + 8s;; co_await sleep_for(10ms)) {  // what runs meanwhile may end with it
    const Outcomes written = co_await outcome_of(db.query("insert into " + table.name + " values (1)"));
    if (written.rows == 1) break;
    CHECK(Clock::now() < deadline);
  }
  const Rows second = co_await db.query("select pg_backend_pid() as pid");
  CHECK(second[0].text("pid") != first[0].text("pid"));
  co_await table.drop();
}

ASYNC_TEST(a_unique_violation_can_be_told_apart) {
  Database db(reactor, pooled());
  Scratch table(db);
  co_await table.create("(id int primary key)");
  const Rows inserted = co_await db.query("insert into " + table.name + " values ($1), ($2)", {1, 2});
  CHECK_EQ(inserted.affected(), 2);
  const Outcomes again = co_await outcome_of(db.query("insert into " + table.name + " values (1)"));
  CHECK_EQ(again.errors.count(std::string(kUniqueViolation)), 1u);
  co_await table.drop();
}

ASYNC_TEST(a_refused_value_is_not_repeated) {
  Database db(reactor, pooled());
  std::string words;
  try {
    const Rows none = co_await db.query("select $1::int", {"ada@example.org"});
  } catch (const SqlError& error) {
    words = error.primary();
  }
  CHECK_CONTAINS(words, "invalid input syntax");
  CHECK(!words.contains("ada"));
}

ASYNC_TEST(a_script_runs_several_statements) {
  Database db(reactor, pooled());
  Scratch table(db);
  const Rows last = co_await db.script("create table " + table.name + " (n int); insert into " + table.name +
                                       " values (1), (2); select sum(n) as sum from " + table.name);
  CHECK_EQ(last[0].integer("sum"), 3);
  const Outcomes broken = co_await outcome_of(db.script("insert into " + table.name + " values (3); select 1/0"));
  CHECK_EQ(broken.errors.count("22012"), 1u);
  const Rows still = co_await db.query("select count(*) from " + table.name);
  CHECK_EQ(still[0].integer(0), 2);
  co_await table.drop();
}

ASYNC_TEST(copy_is_refused_and_the_pool_goes_on) {
  Database db(reactor, pooled(1));
  const Outcomes copied = co_await outcome_of(db.script("copy (select 1) to stdout"));
  CHECK_EQ(copied.unavailable, 1);
  const Rows rows = co_await db.query("select 1");
  CHECK_EQ(rows.size(), 1u);
}

// Invariant 5.
ASYNC_TEST(a_statement_past_its_timeout_fails_and_the_pool_goes_on) {
  DatabaseOptions options = pooled(1);
  options.statement_timeout = 300ms;
  Database db(reactor, options);
  const Outcomes slow = co_await outcome_of(db.query("select pg_sleep(3600)"));
  CHECK_EQ(slow.errors.count(std::string(kQueryCanceled)), 1u);
  for (int i = 0; i < 20; ++i) {
    const Rows rows = co_await db.query("select pg_sleep(0.02)");  // the timer left over harms nothing
    CHECK_EQ(rows.size(), 1u);
  }
}

// Invariant 5.
ASYNC_TEST(a_short_query_whose_caller_has_left_ends_and_its_connection_returns) {
  Database db(reactor, direct(1));
  Scratch table(db);
  co_await table.create("(n int)");
  const Rows first = co_await db.query("select pg_backend_pid()");
  auto outcomes = std::make_shared<Outcomes>();
  const TaskPtr task = start(reactor, db, "insert into " + table.name + " select 1 from pg_sleep(0.1)", outcomes);
  UNTIL(db.stats().idle == 0);
  task->cancel(Failure(FailureKind::cancelled, "left"));
  UNTIL(outcomes->cancelled == 1);
  CHECK_EQ(db.stats().open, 1);
  const Rows second = co_await db.query("select pg_backend_pid(), count(*) from " + table.name);
  CHECK_EQ(second[0].text(0), first[0].text(0));
  CHECK_EQ(second[0].integer(1), 1);
  co_await table.drop();
}

namespace {

// How many statements with that text PostgreSQL runs.
Async<std::int64_t> running(Database& server, std::string text) {
  const Rows rows = co_await server.query(
      "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like $1",
      {"%" + text + "%"});
  co_return rows[0].integer(0);
}

// Starts the statement, and leaves it once PostgreSQL runs it.
Async<void> leave(Reactor& reactor, Database& db, Database& server, std::string sql) {
  auto outcomes = std::make_shared<Outcomes>();
  const std::string text = "/* " + random_hex(8) + " */";
  const TaskPtr task = start(reactor, db, sql + text, outcomes);
  for (std::int64_t seen = 0; seen == 0; seen = co_await running(server, text)) co_await sleep_for(1ms);
  task->cancel(Failure(FailureKind::cancelled, "left"));
  UNTIL(outcomes->cancelled == 1);
  const auto patience = Clock::now() + 20s;  // PostgreSQL's own is 30 s
  for (std::int64_t left = 1; left > 0; left = co_await running(server, text)) {
    if (Clock::now() > patience) fail("PostgreSQL still runs what nobody waits for");
    co_await sleep_for(5ms);
  }
}

Async<void> stay_and_leave(Reactor& reactor, Database& db, std::string sql, std::shared_ptr<Outcomes> others) {
  auto outcomes = std::make_shared<Outcomes>();
  const TaskPtr task = start(reactor, db, std::move(sql), outcomes);
  co_await sleep_for(20ms);
  task->cancel(Failure(FailureKind::cancelled, "left"));
  for (int i = 0; i < 3; ++i) start(reactor, db, "select pg_sleep(0.01)", others);
}

}  // namespace

// Invariant 5.
ASYNC_TEST(a_statement_whose_caller_has_left_is_gone_from_postgresql_soon) {
  DatabaseOptions options = pooled(1);
  options.statement_timeout = 60s;
  Database db(reactor, options), server(reactor, direct(1));
  co_await leave(reactor, db, server, "select pg_sleep(60)");
  const Rows rows = co_await db.query("select 1");
  CHECK_EQ(rows.size(), 1u);
  CHECK_EQ(db.stats().open, 1);
}

// Invariant 5.
ASYNC_TEST(a_statement_past_its_timeout_is_gone_from_postgresql_soon) {
  Database server(reactor, direct(1));
  for (DatabaseOptions options : {pooled(1), direct(1)}) {
    options.statement_timeout = 1s;
    Database db(reactor, options);
    auto outcomes = std::make_shared<Outcomes>();
    const std::string text = "/* " + random_hex(8) + " */";
    start(reactor, db, "select pg_sleep(60)" + text, outcomes);
    for (std::int64_t seen = 0; seen == 0; seen = co_await running(server, text)) co_await sleep_for(1ms);
    UNTIL(outcomes->all() == 1);
    CHECK_EQ(outcomes->errors.count(std::string(kQueryCanceled)), 1u);
    const std::int64_t left = co_await running(server, text);
    CHECK_EQ(left, 0);
    CHECK_EQ(db.stats().open, 1);
    const Rows rows = co_await db.query("select 1");
    CHECK_EQ(rows.size(), 1u);
  }
}

// Invariant 5. The statements end about when they are cancelled: before, meanwhile, or afterwards.
ASYNC_TEST(who_gets_the_connection_of_a_cancelled_statement_is_not_disturbed) {
  Database db(reactor, pooled(4));
  auto others = std::make_shared<Outcomes>();
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 4; ++i) {
      const std::string sql = fmt::format("select pg_sleep({})", 0.24 + 0.001 * (round * 4 + i));
      reactor.spawn(stay_and_leave(reactor, db, sql, others));
    }
    UNTIL(others->all() == 12 * (round + 1));
  }
  CHECK_EQ(others->rows, others->all());
  CHECK_EQ(db.stats().open, 4);
}
