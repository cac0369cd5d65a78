// Rows for PostgreSQL: what the database does not take now waits, and what can't be stored goes alone.
#include "core/recorder.h"

#include "io/postgres_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

DoneJobRow row(const std::string& type) {
  return {.id = uuid_v4(),
          .type = type,
          .status = JobStatus::completed,
          .user_email = "a@example.com",
          .started_at = WallClock::now(),
          .completed_at = WallClock::now()};
}

Async<std::int64_t> count(Database& db, std::string type) {
  const Rows rows = co_await db.query("select count(*) from jobs where type = $1", {type});
  co_return rows[0].integer(0);
}

}  // namespace

ASYNC_TEST(a_row_that_cannot_be_stored_takes_no_other_with_it) {
  Database db(reactor, pooled());
  Recorder recorder(reactor, db);
  const std::string type = "test.rows" + random_hex(6);
  for (int i = 0; i < 700; ++i) {
    DoneJobRow one = row(type);
    if (i == 333) one.ip_address = "no address";
    if (i == 444) one.payload = "no JSON";
    if (i == 555) one.facts = Json::object({{"frame_name", std::string("a\0b", 3)}});
    recorder.record(std::move(one));
  }
  co_await recorder.flush(20s);
  const auto written = co_await count(db, type);
  CHECK_EQ(written, 697);
}

// That they are written once it takes them: tests/live/failures_test.py.
ASYNC_TEST(rows_wait_while_the_database_is_read_only) {
  DatabaseOptions read_only = direct(1);
  read_only.conninfo += " options='-c default_transaction_read_only=on'";
  Database db(reactor, read_only);
  Recorder recorder(reactor, db);
  const std::string type = "test.rows" + random_hex(6);
  for (int i = 0; i < 40; ++i) recorder.record(row(type));
  co_await recorder.flush(300ms);
  CHECK_EQ(recorder.waiting(), 40u);
}
