// Migrations, each test in a database of its own, which needs a role that may create databases.
#include "core/migrations.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/jobs/job_status.h"
#include "support/fresh_database.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

struct Folder {
  Folder() {
    char path[] = "/tmp/plugfleet-test-XXXXXX";
    if (!::mkdtemp(path)) fail("mkdtemp");
    root = path;
    std::filesystem::create_directories(core());
  }
  ~Folder() { std::filesystem::remove_all(root); }
  std::string core() const { return root + "/migrations"; }
  std::string modules() const { return root + "/modules"; }
  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(root + "/" + path).parent_path());
    std::ofstream(root + "/" + path) << text;
  }
  std::vector<Migration> find() const { return find_schema(core(), modules()).migrations; }
  std::string root;
};

std::string refusal(const Folder& folder) {
  try {
    (void)folder.find();
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

std::string functions_refusal(const Folder& folder) {
  try {
    (void)find_schema(folder.core(), folder.modules());
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

std::string function_text(const std::string& name, const std::string& body, const std::string& parameters = "") {
  return fmt::format("-- A comment.\ncreate or replace function {}({}) returns int language sql as $${}$$", name,
                     parameters, body);
}

// The labels of what was applied.
Async<std::string> apply_folder(Database& db, const Folder& folder) {
  const AppliedFunctions applied = co_await apply_functions(db, find_schema(folder.core(), folder.modules()));
  co_return fmt::format("{}", fmt::join(applied.labels, ", "));
}

Async<std::string> refusal_of(Database& db, const Folder& folder) {
  std::string said;
  try {
    co_await apply_functions(db, find_schema(folder.core(), folder.modules()));
  } catch (const Failure& failure) {
    said = failure.message();
  }
  co_return said;
}

// All that is in the schema: tables and columns, constraints, indexes, functions; a line each.
Async<std::string> schema_of(Database& db) {
  const Rows lines = co_await db.query(
      "select string_agg(line, E'\\n' order by line) from ("
      "select format('column %s.%s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), "
      "attnotnull, "
      "pg_get_expr(adbin, adrelid)) from pg_attribute a join pg_class c on c.oid = attrelid "
      "left join pg_attrdef d on adrelid = attrelid and adnum = attnum "
      "where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and attnum > 0 and not attisdropped "
      "union all select format('table %s %s %s', oid::regclass, relkind, reloptions) from pg_class "
      "where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') "
      "union all select format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) "
      "from pg_constraint where connamespace = 'public'::regnamespace "
      "union all select indexdef from pg_indexes where schemaname = 'public' "
      "union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace) as it(line)");
  co_return lines[0].text(0);
}

Async<void> one_host(Reactor& reactor, DatabaseOptions options, std::vector<Migration> migrations,
                     std::shared_ptr<int> applied) {
  Database db(reactor, std::move(options));
  const int count = co_await apply_all(db, std::move(migrations));
  *applied += count;
}

Async<std::string> sqlstate_of(Async<Rows> query) {
  std::string state;
  try {
    co_await std::move(query);
  } catch (const SqlError& error) {
    state = error.sqlstate();
  }
  co_return state;
}

}  // namespace

TEST(files_are_found_in_order_the_platforms_first) {
  const Folder folder;
  folder.write("migrations/0002_add_index.sql", "b");
  folder.write("migrations/0001_create_table.sql", "a");
  folder.write("migrations/.hidden", "");
  folder.write("modules/pdf/migrations/0001_create_pages.sql", "d");
  folder.write("modules/notes/migrations/0001_create_notes.sql", "c");
  folder.write("modules/plain/plain.cc", "");
  std::vector<std::string> labels;
  for (const Migration& migration : folder.find()) labels.push_back(migration.label());
  CHECK_EQ(fmt::format("{}", fmt::join(labels, ", ")),
           "core 0001_create_table, core 0002_add_index, notes 0001_create_notes, pdf 0001_create_pages");
}

TEST(a_bad_file_is_refused_by_its_name) {
  for (const char* name : {"1_create_table.sql", "0001_table.sql", "0001-create-table.sql", "0001_Create_table.sql",
                           "0001_create__table.sql", "0001_create_table.sql~", "0001_create_table.SQL", "README.md"}) {
    const Folder folder;
    folder.write(std::string("migrations/") + name, "select 1");
    CHECK_CONTAINS(refusal(folder), name);
  }
}

TEST(a_number_used_twice_is_refused) {
  const Folder folder;
  folder.write("migrations/0001_create_table.sql", "select 1");
  folder.write("migrations/0001_drop_table.sql", "select 1");
  CHECK_CONTAINS(refusal(folder), "0001_drop_table.sql: its number is used twice");
}

TEST(what_is_no_text_is_refused) {
  const Folder folder;
  folder.write("migrations/0001_create_table.sql", "select '\xff'");
  CHECK_CONTAINS(refusal(folder), "not text");
  folder.write("migrations/0001_create_table.sql", "");
  CHECK_CONTAINS(refusal(folder), "empty");
}

TEST(a_missing_folder_is_named) {
  const Folder folder;
  std::filesystem::remove_all(folder.core());
  CHECK_CONTAINS(refusal(folder), folder.core());
}

ASYNC_TEST(what_is_applied_is_no_longer_pending) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  Database db(reactor, fresh.options());
  const Folder folder;
  folder.write("migrations/0001_create_a.sql", "create table a (n int); insert into a values (1);");
  folder.write("modules/m/migrations/0001_create_b.sql", "create table b (n int);");
  const auto before = co_await pending_migrations(db, find_schema(folder.core(), folder.modules()));
  CHECK_EQ(fmt::format("{}", fmt::join(before, ", ")), "core 0001_create_a, m 0001_create_b");
  const int first = co_await apply_all(db, folder.find());
  CHECK_EQ(first, 2);
  const int second = co_await apply_all(db, folder.find());
  CHECK_EQ(second, 0);
  folder.write("migrations/0002_add_rows.sql", "insert into a values (2);");
  const auto after = co_await pending_migrations(db, find_schema(folder.core(), folder.modules()));
  CHECK_EQ(fmt::format("{}", fmt::join(after, ", ")), "core 0002_add_rows");
  co_await fresh.drop();
}

ASYNC_TEST(an_applied_file_that_changed_is_named) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  Database db(reactor, fresh.options());
  const Folder folder;
  folder.write("migrations/0001_create_a.sql", "create table a (n int)");
  co_await apply_all(db, folder.find());
  folder.write("migrations/0001_create_a.sql", "create table a (n bigint)");
  int refused = 0;
  try {
    co_await pending_migrations(db, find_schema(folder.core(), folder.modules()));
  } catch (const Failure& failure) {
    CHECK_CONTAINS(failure.message(), "core 0001_create_a has changed");
    ++refused;
  }
  try {
    co_await apply_all(db, folder.find());
  } catch (const Failure& failure) {
    CHECK_CONTAINS(failure.message(), "core 0001_create_a has changed");
    ++refused;
  }
  CHECK_EQ(refused, 2);
  co_await fresh.drop();
}

ASYNC_TEST(a_migration_that_fails_leaves_nothing_behind) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  Database db(reactor, fresh.options());
  const Folder folder;
  folder.write("migrations/0001_create_a.sql", "create table a (n int); select 1/0;");
  std::string state;
  try {
    co_await apply_all(db, folder.find());
  } catch (const SqlError& error) {
    state = error.sqlstate();
  }
  CHECK_EQ(state, "22012");
  const Rows left = co_await db.query("select to_regclass('a') is null");
  CHECK(left[0].boolean(0));
  const auto pending = co_await pending_migrations(db, find_schema(folder.core(), folder.modules()));
  CHECK_EQ(pending.size(), 1u);
  co_await fresh.drop();
}

ASYNC_TEST(hosts_that_migrate_at_once_apply_each_file_once) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  const Folder folder;
  for (int i = 1; i <= 5; ++i) {
    folder.write(fmt::format("migrations/{:04}_create_t{}.sql", i, i), fmt::format("create table t{} (n int)", i));
  }
  auto applied = std::make_shared<int>(0);
  int running = 4, failed = 0;
  for (int i = 0; i < 4; ++i) {
    reactor.spawn(one_host(reactor, fresh.options(), folder.find(), applied), [&](std::exception_ptr failure) {
      --running;
      failed += failure ? 1 : 0;
    });
  }
  UNTIL(running == 0);
  CHECK_EQ(failed, 0);
  CHECK_EQ(*applied, 5);
  co_await fresh.drop();
}

// ---- Functions ---------------------------------------------------------------------------------------------------

TEST(a_bad_function_file_is_refused_by_its_name) {
  const std::vector<std::pair<const char*, const char*>> bad = {
      {"migrations/functions/Add.sql", "create or replace function Add() returns int language sql as 'select 1'"},
      {"migrations/functions/add.txt", "create or replace function add() returns int language sql as 'select 1'"},
      {"migrations/functions/add.sql", "create function add() returns int language sql as 'select 1'"},
      {"migrations/functions/add.sql", "create or replace function plus() returns int language sql as 'select 1'"},
      {"migrations/functions/add.sql", "-- create or replace function add()"},
      {"migrations/functions/add.sql", ""}};
  for (const auto& [path, text] : bad) {
    const Folder folder;
    folder.write(path, text);
    CHECK_CONTAINS(functions_refusal(folder), path);
  }
}

TEST(two_components_have_no_function_of_the_same_name) {
  const Folder folder;
  const std::string text = "-- Adds.\n\ncreate or replace function add() returns int language sql as 'select 1'";
  folder.write("migrations/functions/add.sql", text);
  CHECK_EQ(functions_refusal(folder), "");
  folder.write("modules/m/migrations/functions/add.sql", text);
  CHECK_CONTAINS(functions_refusal(folder), "modules/m/migrations/functions/add.sql: another component");
}

ASYNC_TEST(a_function_is_applied_again_when_its_file_changed) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  Database db(reactor, fresh.options());
  const Folder folder;
  folder.write("migrations/0001_create_a.sql", "create table a (n int); insert into a values (1);");
  // In the order of their names each needs one that comes later; and a module's needs the platform's.
  folder.write("migrations/functions/add.sql", function_text("add", "select more() + (select n from a)"));
  folder.write("migrations/functions/more.sql", function_text("more", "select 1"));
  folder.write("modules/m/migrations/functions/m_add.sql", function_text("m_add", "select 10 * add()"));
  co_await apply_all(db, folder.find());
  const auto pending = co_await pending_migrations(db, find_schema(folder.core(), folder.modules()));
  CHECK_EQ(fmt::format("{}", fmt::join(pending, ", ")), "core add(), core more(), m m_add()");
  const std::string first = co_await apply_folder(db, folder);
  CHECK_EQ(first, "core add(), core more(), m m_add()");
  const std::string again = co_await apply_folder(db, folder);
  CHECK_EQ(again, "");
  folder.write("migrations/functions/more.sql", function_text("more", "select 2"));
  const auto serves = co_await pending_migrations(db, find_schema(folder.core(), folder.modules()));
  CHECK(serves.empty());  // the release before, or after, starts beside this one
  const std::string changed = co_await apply_folder(db, folder);
  CHECK_EQ(changed, "core more()");
  const Rows sum = co_await db.query("select m_add()");
  CHECK_EQ(sum[0].integer(0), 30);
  folder.write("migrations/0002_drop_more.sql", "drop function more()");  // it will have other parameters
  folder.write("migrations/functions/more.sql", function_text("more", "select 2 + by", "by int default 0"));
  co_await apply_all(db, folder.find());
  const std::string anew = co_await apply_folder(db, folder);
  CHECK_EQ(anew, "core more()");
  co_await db.query("drop function m_add()");  // with the same file as before
  const std::string restored = co_await apply_folder(db, folder);
  CHECK_EQ(restored, "m m_add()");
  co_await fresh.drop();
}

ASYNC_TEST(functions_are_applied_all_or_none) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  Database db(reactor, fresh.options());
  const Folder folder;
  folder.write("migrations/functions/add.sql", function_text("add", "select 1"));
  folder.write("migrations/functions/bad.sql", function_text("bad", "select n from lost"));
  const std::string said = co_await refusal_of(db, folder);
  CHECK_CONTAINS(said, "core bad(): relation \"lost\" does not exist (42P01)");
  // More than one statement, and parameters beside which the old ones would stay.
  folder.write("migrations/functions/bad.sql", function_text("bad", "select 1") + "; drop table schema_migrations");
  const std::string two = co_await refusal_of(db, folder);
  CHECK_CONTAINS(two, "core bad(): cannot insert multiple commands");
  folder.write("migrations/functions/bad.sql", function_text("bad", "select 1"));
  co_await db.query("create function add(by int) returns int language sql as 'select 0'");
  const std::string overloaded = co_await refusal_of(db, folder);
  CHECK_CONTAINS(overloaded, "core add() is there with other parameters too");
  const Rows left = co_await db.query("select to_regproc('bad') is null and to_regclass('schema_functions') is null");
  CHECK(left[0].boolean(0));
  co_await fresh.drop();
}

ASYNC_TEST(a_newer_releases_functions_stay) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  Database db(reactor, fresh.options());
  const Folder older, newer;
  older.write("migrations/functions/add.sql", function_text("add", "select 1"));
  older.write("modules/m/migrations/functions/m_add.sql", function_text("m_add", "select 1"));
  newer.write("migrations/0001_create_a.sql", "create table a (n int)");
  newer.write("migrations/functions/add.sql", function_text("add", "select 2"));
  co_await apply_all(db, newer.find());
  co_await apply_folder(db, newer);
  older.write("migrations/0001_create_a.sql", "create table a (n int)");
  newer.write("migrations/0002_create_b.sql", "create table b (n int)");
  co_await apply_all(db, newer.find());
  const AppliedFunctions left = co_await apply_functions(db, find_schema(older.core(), older.modules()));
  CHECK_EQ(fmt::format("{}", fmt::join(left.labels, ", ")), "m m_add()");
  CHECK_EQ(fmt::format("{}", fmt::join(left.newer_than, ", ")), "core");
  const Rows sum = co_await db.query("select add()");
  CHECK_EQ(sum[0].integer(0), 2);
  co_await fresh.drop();
}

// ---- The platform's own ------------------------------------------------------------------------------------------

ASYNC_TEST(the_tables_are_those_the_analysts_query) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  Database db(reactor, fresh.options());
  co_await fresh.migrate();
  const auto pending = co_await pending_migrations(db, find_schema("migrations", "modules"));
  CHECK(pending.empty());
  const Rows missing = co_await db.query(
      "select string_agg(wanted, ', ') from unnest($1::text[]) wanted where not exists (select from "
      "information_schema.columns where table_name || '.' || column_name || ' ' || udt_name = wanted)",
      {std::vector<std::string>{"jobs.id uuid",
                                "jobs.type text",
                                "jobs.status text",
                                "jobs.layer_count int4",
                                "jobs.frame_name text",
                                "jobs.variant_count int4",
                                "jobs.payload jsonb",
                                "jobs.result jsonb",
                                "jobs.created_at timestamptz",
                                "jobs.started_at timestamptz",
                                "jobs.completed_at timestamptz",
                                "jobs.duration_ms int4",
                                "jobs.error_message text",
                                "jobs.error_stack text",
                                "jobs.user_email text",
                                "jobs.user_id text",
                                "jobs.ip_address inet",
                                "usage_stats.date date",
                                "usage_stats.operation_type text",
                                "usage_stats.total_jobs int4",
                                "usage_stats.successful_jobs int4",
                                "usage_stats.failed_jobs int4",
                                "usage_stats.total_layers int8",
                                "usage_stats.avg_duration_ms float8",
                                "usage_stats.p50_duration_ms int4",
                                "usage_stats.p95_duration_ms int4",
                                "usage_stats.p99_duration_ms int4",
                                "usage_stats.updated_at timestamptz",
                                "api_calls.id int8",
                                "api_calls.endpoint text",
                                "api_calls.ip_address inet",
                                "api_calls.user_agent text",
                                "api_calls.response_status int4",
                                "api_calls.response_time_ms float8",
                                "api_calls.created_at timestamptz"}});
  CHECK_EQ(missing[0].text(0), "");
  const std::string unknown =
      co_await sqlstate_of(db.query("insert into jobs (type, status, user_email) values ('t', 'lost', 'a@b')"));
  CHECK_EQ(unknown, "23514");
  const std::string nobody = co_await sqlstate_of(db.query("insert into jobs (type) values ('t')"));
  CHECK_EQ(nobody, "23502");
  co_await fresh.drop();
}

// Releases whose last migration is 0008 had the functions in their migrations.
ASYNC_TEST(an_empty_database_and_one_of_an_old_release_end_the_same) {
  FreshDatabase fresh(reactor), old(reactor);
  co_await fresh.create();
  co_await fresh.migrate();
  Database fresh_db(reactor, fresh.options());
  co_await old.create();
  Database old_db(reactor, old.options());
  std::vector<Migration> released;
  std::ranges::copy_if(find_schema("migrations", "modules").migrations, std::back_inserter(released),
                       [](const Migration& each) { return each.component == "core" && each.version <= "0008"; });
  CHECK_EQ(released.size(), 8u);
  co_await apply_all(old_db, released);
  co_await old_db.query(
      "select enqueue_jobs(array[gen_random_uuid()], '{a}', '{null}', '{a@b}', '{null}', '{null}', '{null}', "
      "'{null}', '{null}', '{null}', '{null}', '{f}', '{2}', '{0}', '{null}', '{null}', '{null}')");
  co_await old.migrate();
  const std::string expected = co_await schema_of(fresh_db);
  const std::string found = co_await schema_of(old_db);
  CHECK_CONTAINS(expected, "FUNCTION public.claim_jobs(");
  CHECK_EQ(found, expected);
  co_await fresh.drop();
  co_await old.drop();
}

ASYNC_TEST(the_schema_knows_the_statuses_that_the_program_knows) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  co_await fresh.migrate();
  Database db(reactor, fresh.options());
  const auto check = co_await db.one<std::string>(
      "select pg_get_constraintdef(oid) from pg_constraint where conname = 'jobs_status_known' and conrelid = "
      "'jobs'::regclass");
  std::vector<std::string> quoted;
  for (const auto& [status, name] : kJobStatuses) quoted.push_back(fmt::format("'{}'::text", name));
  CHECK_CONTAINS(check, fmt::format("ARRAY[{}]", fmt::join(quoted, ", ")));
  co_await fresh.drop();
}

ASYNC_TEST(a_day_is_aggregated_and_may_be_again) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  Database db(reactor, fresh.options());
  co_await fresh.migrate();
  // 100 completed jobs of 1 to 100 ms, one failed, one cancelled; and a second on either side of the day.
  co_await db.script(
      "insert into jobs (type, status, layer_count, duration_ms, user_email, created_at) select 'rename', 'completed', "
      "2, n, "
      "'a@b', '2026-03-01T00:00:00Z'::timestamptz + n * interval '1 second' from generate_series(1, 100) n;"
      "insert into jobs (type, status, duration_ms, user_email, created_at) values "
      "('rename', 'failed', 9999, 'a@b', '2026-03-01T23:59:59Z'), ('rename', 'cancelled', 9999, 'a@b', "
      "'2026-03-01T12:00Z'), "
      "('rename', 'completed', 7777, 'a@b', '2026-02-28T23:59:59Z'), ('rename', 'completed', 7777, 'a@b', "
      "'2026-03-02T00:00Z'), "
      "('edit', 'queued', null, 'a@b', '2026-03-01T12:00Z')");
  co_await db.query("select aggregate_daily_stats('2026-03-01')");
  co_await db.query("update jobs set status = 'completed', duration_ms = 10 where type = 'edit'");
  Transaction far_away = co_await db.begin();
  co_await far_away.query("set local timezone = 'Pacific/Auckland'");
  co_await far_away.query("select aggregate_daily_stats('2026-03-01')");
  co_await far_away.commit();
  const Rows stats = co_await db.query("select * from usage_stats order by operation_type");
  CHECK_EQ(stats.size(), 2u);
  CHECK_EQ(stats[0].integer("successful_jobs"), 1);
  const Row day = stats[1];
  CHECK_EQ(day.integer("total_jobs"), 102);
  CHECK_EQ(day.integer("successful_jobs"), 100);
  CHECK_EQ(day.integer("failed_jobs"), 1);
  CHECK_EQ(day.integer("total_layers"), 200);
  CHECK_EQ(day.real("avg_duration_ms"), 50.5);
  CHECK_EQ(day.integer("p50_duration_ms"), 50);
  CHECK_EQ(day.integer("p95_duration_ms"), 95);
  CHECK_EQ(day.integer("p99_duration_ms"), 99);
  co_await fresh.drop();
}

ASYNC_TEST(a_months_partition_takes_over_what_the_default_one_holds) {
  FreshDatabase fresh(reactor);
  co_await fresh.create();
  Database db(reactor, fresh.options());
  co_await fresh.migrate();
  const Rows made = co_await db.query("select count(*) from pg_inherits where inhparent = 'api_calls'::regclass");
  CHECK_EQ(made[0].integer(0), 3);  // this month's, the next one's, the default
  const std::string insert =
      "insert into api_calls (endpoint, response_status, response_time_ms, created_at) values ('/x', 200, 1.5, $1)";
  co_await db.query(insert, {"2031-01-31T23:59:59Z"});
  co_await db.query(insert, {"2031-02-01T00:00:00Z"});
  const Rows name = co_await db.query("select create_api_calls_partition('2031-01-15')");
  CHECK_EQ(name[0].text(0), "api_calls_2031_01");
  const Rows again = co_await db.query("select create_api_calls_partition('2031-01-31')");
  CHECK_EQ(again[0].text(0), "api_calls_2031_01");
  co_await db.query(insert, {"2031-01-01T00:00:00Z"});
  const Rows where = co_await db.query(
      "select (select count(*) from api_calls_2031_01), (select count(*) from api_calls_default), "
      "(select count(distinct id) from api_calls)");
  CHECK_EQ(where[0].integer(0), 2);
  CHECK_EQ(where[0].integer(1), 1);
  CHECK_EQ(where[0].integer(2), 3);
  co_await fresh.drop();
}
