// Reads that may go to the replica, with two databases that differ, so that an answer tells whose it is.
#include "core/replica.h"

#include "base/log.h"
#include "support/fresh_database.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

constexpr const char* kWhose = "select whose from answers";

struct Pair {
  explicit Pair(Reactor& reactor)
      : first(reactor), second(reactor), primary(reactor, first.options()), copy(reactor, second.options()) {
    log_open("/dev/null", Severity::error);
  }

  Async<void> open() {
    for (FreshDatabase* each : {&first, &second}) co_await each->create();
    co_await primary.script("create table answers as select 'primary' as whose");
    co_await copy.script(
        "create table answers as select 'replica' as whose; create table usage_counted (until timestamptz)");
    co_await copy.query("insert into usage_counted values (now())");
  }
  // The replica knows nothing of what happened since then.
  Async<void> lag(std::string interval) {
    co_await copy.query("update usage_counted set until = now() - $1::interval", {interval});
  }
  Async<void> close() {
    for (FreshDatabase* each : {&first, &second}) co_await each->drop();
  }

  FreshDatabase first, second;
  Database primary, copy;
};

Async<std::string> whose(Replica& replica) { return replica.one<std::string>(kWhose); }

}  // namespace

ASYNC_TEST(a_replica_that_keeps_up_is_read_and_one_that_lags_is_not_until_it_has_caught_up) {
  Pair pair(reactor);
  co_await pair.open();
  co_await pair.lag("30 s");
  Replica near(reactor, pair.second.options(), 60s, pair.primary);
  const auto from_near = co_await whose(near);
  CHECK_EQ(from_near, "replica");
  Replica strict(reactor, pair.second.options(), 15s, pair.primary);
  const auto from_strict = co_await whose(strict);
  CHECK_EQ(from_strict, "primary");
  co_await pair.lag("0 s");
  std::string later;
  for (const auto deadline = Clock::now() + 8s; later != "replica"; co_await sleep_for(20ms)) {
    later = co_await whose(strict);
    CHECK(Clock::now() < deadline);
  }
  co_await pair.copy.query("update usage_counted set until = '-infinity'");
  Replica patient(reactor, pair.second.options(), 1h, pair.primary);
  const auto from_new = co_await whose(patient);
  CHECK_EQ(from_new, "primary");
  co_await pair.close();
}

ASYNC_TEST(how_far_it_is_behind_is_not_asked_again_before_it_could_be_too_far) {
  Pair pair(reactor);
  co_await pair.open();
  co_await pair.lag("14 s");
  Replica replica(reactor, pair.second.options(), 15s, pair.primary);
  const auto begun = Clock::now();
  auto last_from_replica = begun;
  for (std::string from = "replica"; from == "replica"; co_await sleep_for(20ms)) {
    const auto asked = Clock::now();
    from = co_await whose(replica);
    if (from == "replica") last_from_replica = asked;
    CHECK(asked - begun < 8s);
  }
  CHECK(last_from_replica > begun);
  CHECK(last_from_replica - begun <= 1s);
  co_await pair.close();
}

ASYNC_TEST(without_a_replica_or_with_one_that_is_gone_the_primary_answers) {
  Pair pair(reactor);
  co_await pair.open();
  Replica none(reactor, {}, 60s, pair.primary);
  const auto from_none = co_await whose(none);
  CHECK_EQ(from_none, "primary");
  Replica gone(reactor, {.conninfo = "host=/nowhere dbname=x", .acquire_timeout = 100ms}, 60s, pair.primary);
  for (int i = 0; i < 3; ++i) {
    const auto from_gone = co_await whose(gone);
    CHECK_EQ(from_gone, "primary");
  }
  Replica dies(reactor, pair.second.options(), 60s, pair.primary);
  const auto at_first = co_await whose(dies);
  CHECK_EQ(at_first, "replica");
  co_await pair.copy.close(1s);
  co_await pair.second.drop();
  const auto afterwards = co_await whose(dies);
  CHECK_EQ(afterwards, "primary");
  co_await pair.first.drop();
}

ASYNC_TEST(what_one_of_them_does_not_take_is_not_put_to_the_other) {
  Pair pair(reactor);
  co_await pair.open();
  Replica replica(reactor, pair.second.options(), 60s, pair.primary);
  int asked = 0;
  std::function<Async<std::string>(Database&)> wrong = [&asked](Database& database) {
    ++asked;
    return database.one<std::string>("select $1::uuid::text", "no uuid");
  };
  const auto failure = co_await failure_of(replica.read(std::move(wrong), pair.primary));
  CHECK(failure == FailureKind::internal);
  CHECK_EQ(asked, 1);
  const auto from = co_await whose(replica);
  CHECK_EQ(from, "replica");
  co_await pair.close();
}

ASYNC_TEST(several_statements_are_answered_by_one_database) {
  Pair pair(reactor);
  co_await pair.open();
  Replica replica(reactor, pair.second.options(), 60s, pair.primary);
  std::vector<std::string> asked;
  std::function<Async<std::string>(Database&)> twice = [&asked, &pair](Database& database) {
    asked.emplace_back(&database == &pair.primary ? "primary" : "replica");
    return database.one<std::string>(asked.back() == "replica" ? "select whose from only_there" : kWhose);
  };
  const auto from = co_await replica.read(std::move(twice), pair.primary);
  CHECK_EQ(from, "primary");
  CHECK(asked == std::vector<std::string>({"replica", "primary"}));
  co_await pair.close();
}
