// Bodies and results of jobs, against a real payload Redis.
#include "core/jobs/body_store.h"

#include <cstdlib>

#include "base/ids.h"
#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

RedisOptions payload_redis() {
  const char* const path = std::getenv("PLUGFLEET_TEST_PAYLOADS");
  if (!path) test::fail("set PLUGFLEET_TEST_PAYLOADS to the unix socket of the payload Redis; `make test` does");
  return {.address = path, .command_timeout = 5s};
}

struct Store {
  explicit Store(Reactor& reactor) : redis(reactor, payload_redis()) {}

  Async<std::int64_t> ttl(const char* what) {
    const RedisReply reply = co_await redis.command({"TTL", "job:" + id + ":" + what});
    co_return reply.integer;
  }

  Redis redis;
  BodyStore payloads{redis, 300s}, brief{redis, 20s};
  const std::string id = uuid_v4();
};

}  // namespace

ASYNC_TEST(a_body_comes_back_byte_for_byte_within_its_time) {
  Store store(reactor);
  std::string body(20 * 1024 * 1024, 'x');
  for (std::size_t i = 0; i < body.size(); i += 997) body[i] = static_cast<char>(i);
  co_await store.payloads.put_body(store.id, body);
  const auto ttl = co_await store.ttl("body");
  CHECK(ttl > 290 && ttl <= 300);
  const auto taken = co_await store.payloads.take_body(store.id);
  CHECK(taken == body);
  co_await store.payloads.forget_bodies({store.id});
}

ASYNC_TEST(bodies_and_commands_sent_in_one_turn_keep_their_order) {
  Store store(reactor);
  co_await store.payloads.put_body(store.id, "the first");
  int ended = 0;
  for (int i = 0; i < 20; ++i) {
    reactor.spawn(store.payloads.put_body(store.id, std::string(100'000, 'a')), [&](std::exception_ptr) { ++ended; });
    reactor.spawn(store.payloads.put_body(store.id, "the last"), [&](std::exception_ptr) { ++ended; });
  }
  const auto taken = co_await store.payloads.take_body(store.id);
  CHECK_EQ(ended, 40);
  CHECK_EQ(taken.value_or("none"), "the last");
  co_await store.payloads.forget_bodies({store.id});
}

ASYNC_TEST(taking_a_body_begins_its_time_anew) {
  Store store(reactor);
  co_await store.brief.put_body(store.id, "body");
  co_await store.payloads.take_body(store.id);
  const auto ttl = co_await store.ttl("body");
  CHECK(ttl > 290);
  co_await store.payloads.forget_bodies({store.id});
}

ASYNC_TEST(what_is_gone_is_none_and_refreshing_makes_it_no_more) {
  Store store(reactor);
  co_await store.payloads.refresh({store.id});
  const auto body = co_await store.payloads.take_body(store.id);
  const auto result = co_await store.payloads.full_result(store.id);
  CHECK(!body && !result);
}

ASYNC_TEST(refreshed_bodies_have_their_whole_time_again) {
  Store store(reactor);
  const std::string other = uuid_v4();
  co_await store.brief.put_body(store.id, "body");
  co_await store.brief.put_full_result(store.id, "result");
  co_await store.payloads.refresh({other, store.id});
  const auto body = co_await store.ttl("body");
  const auto result = co_await store.ttl("result");
  CHECK(body > 290);
  CHECK(result <= 20);
  co_await store.payloads.forget_bodies({store.id});
}

ASYNC_TEST(thousands_of_bodies_are_refreshed_and_forgotten) {
  Store store(reactor);
  std::vector<std::string> ids;
  for (int i = 0; i < 2500; ++i) ids.push_back(uuid_v4());
  for (const std::string& id : {ids.front(), ids[1000], ids.back()}) co_await store.brief.put_body(id, "body");
  co_await store.payloads.refresh(ids);
  const RedisReply ttl = co_await store.redis.command({"TTL", "job:" + ids.back() + ":body"});
  CHECK(ttl.integer > 290);
  co_await store.payloads.forget_bodies(ids);
  for (const std::string& id : {ids.front(), ids[1000], ids.back()}) {
    const auto taken = co_await store.payloads.take_body(id);
    CHECK(!taken);
  }
}

ASYNC_TEST(a_result_outlives_its_body) {
  Store store(reactor);
  co_await store.payloads.put_body(store.id, "body");
  co_await store.payloads.put_full_result(store.id, R"({"image":"..."})");
  co_await store.payloads.forget_bodies({store.id});
  const auto body = co_await store.payloads.take_body(store.id);
  const auto result = co_await store.payloads.full_result(store.id);
  const auto ttl = co_await store.ttl("result");
  CHECK(!body);
  CHECK_EQ(result.value_or("none"), R"({"image":"..."})");
  CHECK(ttl > 0 && ttl <= 300);
  co_await store.redis.command({"UNLINK", "job:" + store.id + ":result"});
}

ASYNC_TEST(a_redis_that_is_down_is_unavailable) {
  Redis redis(reactor, {.address = "/nonexistent/payloads.sock"});
  BodyStore payloads(redis, 300s);
  std::optional<FailureKind> kind;
  try {
    co_await payloads.put_body(uuid_v4(), "body");
  } catch (const Failure& failure) {
    kind = failure.kind();
  }
  CHECK(kind == FailureKind::unavailable);
}
