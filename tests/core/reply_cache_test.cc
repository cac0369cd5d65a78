// Two caches over one Redis are two processes. "C1" and the like are of the list in core/reply_cache.h.
#include "core/reply_cache.h"

#include "base/ids.h"
#include "io/redis_support.h"
#include "support/async.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

struct Process {
  explicit Process(Reactor& reactor, std::string address = test::shared_socket())
      : reactor(reactor), redis(reactor, {.address = std::move(address)}), cache(redis) {}

  Reactor& reactor;
  Redis redis;
  ReplyCache cache;
};

// What a handler does: says how often it was asked, after a while.
struct Handler {
  int made = 0;
  Clock::duration takes = 0ms;
  std::optional<Failure> fails{};
  int status = 200;

  Async<Reply> answer() {
    const int number = ++made;
    if (takes > 0ms) co_await sleep_for(takes);
    if (fails) throw Failure(*fails);
    co_return text(status, std::to_string(number) + std::string(2000, '.')).with("X-Mine", "yes");
  }
};

Async<Reply> ask(Process& process, Handler& handler, ReplyCache::Asked asked, CacheRule rule) {
  const std::function<Async<Reply>()> make = [&handler] { return handler.answer(); };
  auto peeked = process.cache.peek(asked);
  Reply reply = co_await process.cache.get(process.reactor, std::move(asked), std::move(rule), make, std::move(peeked));
  co_return reply;
}

std::string header(const Reply& reply, std::string_view name) {
  for (const auto& [known, value] : reply.headers) {
    if (known == name) return value;
  }
  return "";
}

ReplyCache::Asked new_key() { return {.key = {"test:" + random_hex(8)}}; }

const CacheRule kLong{.fresh = 1h};

}  // namespace

ASYNC_TEST(a_reply_is_made_once_for_all_processes) {
  Process a(reactor), b(reactor);
  Handler handler;
  const auto asked = new_key();
  const Reply first = co_await ask(a, handler, asked, kLong);
  const Reply again = co_await ask(b, handler, asked, kLong);
  CHECK_EQ(first.body.substr(0, 1), "1");
  CHECK(again.body == first.body);
  CHECK_EQ(again.content_type, first.content_type);
  CHECK_EQ(header(again, "X-Mine"), "yes");
  CHECK_EQ(header(again, "ETag"), header(first, "ETag"));
  CHECK_EQ(handler.made, 1);
  const Reply other = co_await ask(b, handler, new_key(), kLong);
  CHECK_EQ(other.body.substr(0, 1), "2");
}

// A value that a client chooses never reaches into the next one, such as who asks.
ASYNC_TEST(two_keys_with_the_same_text_in_other_parts_are_two) {
  Process a(reactor);
  Handler handler;
  const std::string one = random_hex(8);
  co_await ask(a, handler, {.key = {one, "x", "=victim"}}, kLong);
  for (const auto& key : std::vector<std::vector<std::string>>{{one, "x\n=victim"},
                                                               {one, "x=victim", ""},
                                                               {one + "x", "=victim"},
                                                               {one, "x", "", "=victim"},
                                                               {one, "x", "1:=victim"}})
    co_await ask(a, handler, {.key = key}, kLong);
  CHECK_EQ(handler.made, 6);
}

ASYNC_TEST(C1_what_was_made_before_its_tag_was_invalidated_is_not_answered) {
  Process a(reactor), b(reactor);
  Handler handler;
  auto asked = new_key();
  asked.tags = {"list:" + random_hex(4), "note:" + random_hex(4)};
  for (int i = 1; i <= 3; ++i) {
    co_await ask(a, handler, asked, kLong);
    co_await ask(b, handler, asked, kLong);
    CHECK_EQ(handler.made, i);
    co_await b.cache.invalidate({asked.tags[static_cast<std::size_t>(i % 2)]});
  }
  // While one is being made.
  handler.takes = 100ms;
  std::function<Async<Reply>()> slow = [&] { return ask(a, handler, asked, kLong); };
  auto making = reactor.spawn([](std::function<Async<Reply>()> run) -> Async<void> { co_await run(); }(slow));
  UNTIL(handler.made == 4);
  co_await b.cache.invalidate({asked.tags[0]});
  const Reply after = co_await ask(b, handler, asked, kLong);
  CHECK_EQ(after.body.substr(0, 1), "5");
}

ASYNC_TEST(C2_one_of_many_makes_it_and_the_others_get_what_it_made) {
  Process a(reactor), b(reactor);
  Handler handler{.takes = 50ms};
  const auto asked = new_key();
  int answered = 0;
  for (int i = 0; i < 50; ++i) {
    Process& process = i % 2 ? a : b;
    reactor.spawn([](Process& process, Handler& handler, ReplyCache::Asked asked, int& answered) -> Async<void> {
      const Reply reply = co_await ask(process, handler, asked, kLong);
      CHECK_EQ(reply.body.substr(0, 1), "1");
      ++answered;
    }(process, handler, asked, answered));
  }
  UNTIL(answered == 50);
  CHECK_EQ(handler.made, 1);
}

ASYNC_TEST(C2_where_making_fails_the_next_one_makes_it) {
  Process a(reactor), b(reactor);
  Handler handler{.fails = Failure(FailureKind::unavailable, "no database")};
  const auto asked = new_key();
  std::string failure;
  try {
    co_await ask(a, handler, asked, kLong);
  } catch (const Failure& thrown) {
    failure = thrown.message();
  }
  CHECK_EQ(failure, "no database");
  handler.fails.reset();
  Reply reply;
  reactor.spawn([](Process& process, Handler& handler, ReplyCache::Asked asked, Reply& reply) -> Async<void> {
    reply = co_await ask(process, handler, asked, kLong);
  }(b, handler, asked, reply));
  UNTIL(!reply.body.empty());  // in less than the 10 s after which the right to make it runs out
  CHECK_EQ(reply.body.substr(0, 1), "2");
}

ASYNC_TEST(C2_a_stale_one_is_answered_while_one_makes_it_anew) {
  Process a(reactor), b(reactor);
  Handler handler;
  const auto asked = new_key();
  const CacheRule rule{.fresh = 1ms, .stale = 1h};
  co_await ask(a, handler, asked, rule);
  co_await sleep_for(5ms);
  handler.takes = 1h;
  const TaskPtr making =
      reactor.spawn([](Process& process, Handler& handler, ReplyCache::Asked asked, CacheRule rule) -> Async<void> {
        co_await ask(process, handler, asked, rule);
      }(a, handler, asked, rule));
  UNTIL(handler.made == 2);
  const Reply meanwhile = co_await ask(b, handler, asked, rule);
  CHECK_EQ(meanwhile.body.substr(0, 1), "1");
  making->cancel(Failure(FailureKind::cancelled, "the client left"));
  handler.takes = 0ms;
  Reply anew;
  for (const auto until = Clock::now() + 5s; Clock::now() < until && !anew.body.starts_with('3');
       co_await sleep_for(2ms))
    anew = co_await ask(b, handler, asked, rule);
  CHECK_EQ(anew.body.substr(0, 1), "3");
}

ASYNC_TEST(C3_what_is_no_200_and_what_is_large_is_not_kept) {
  Process a(reactor);
  Handler handler{.status = 404};
  const auto asked = new_key();
  const Reply missing = co_await ask(a, handler, asked, kLong);
  CHECK_EQ(missing.status, 404);
  handler.status = 200;
  const Reply there = co_await ask(a, handler, asked, kLong);
  CHECK_EQ(there.status, 200);
  CHECK_EQ(handler.made, 2);
}

ASYNC_TEST(C4_where_making_it_anew_fails_the_stale_one_is_answered) {
  Process a(reactor);
  Handler handler;
  const auto asked = new_key();
  const CacheRule rule{.fresh = 1ms, .stale = 1h};
  co_await ask(a, handler, asked, rule);
  co_await sleep_for(5ms);
  handler.fails = Failure(FailureKind::unavailable, "no database");
  const Reply stale = co_await ask(a, handler, asked, rule);
  CHECK_EQ(stale.body.substr(0, 1), "1");
  CHECK_EQ(handler.made, 2);
  handler.fails = Failure(FailureKind::not_found, "it was deleted");  // the client's fault is told
  std::string told;
  for (const auto until = Clock::now() + 5s; Clock::now() < until && told.empty(); co_await sleep_for(2ms)) {
    try {
      co_await ask(a, handler, asked, rule);
    } catch (const Failure& failure) {
      told = failure.message();
    }
  }
  CHECK_EQ(told, "it was deleted");
}

ASYNC_TEST(C5_without_redis_every_reply_is_made) {
  Process a(reactor, "/nonexistent/redis.sock");
  Handler handler;
  const auto asked = new_key();
  co_await ask(a, handler, asked, kLong);
  const Reply reply = co_await ask(a, handler, asked, kLong);
  CHECK_EQ(reply.body.substr(0, 1), "2");
  CHECK(!header(reply, "ETag").empty());
  co_await a.cache.invalidate({"all"});
}

ASYNC_TEST(C6_who_knows_it_is_told_so_and_gzip_is_kept_beside_it) {
  Process a(reactor);
  Handler handler;
  auto asked = new_key();
  const Reply plain = co_await ask(a, handler, asked, kLong);
  asked.gzip = true;
  const Reply packed = co_await ask(a, handler, asked, kLong);
  CHECK_EQ(header(packed, "Content-Encoding"), "gzip");
  CHECK(packed.body.starts_with("\x1f\x8b"));
  CHECK(packed.body.size() < plain.body.size() / 10);
  asked.known = "\"other\", " + header(plain, "ETag");
  const Reply known = co_await ask(a, handler, asked, kLong);
  CHECK_EQ(known.status, 304);
  CHECK(known.body.empty());
  CHECK_EQ(header(known, "ETag"), header(plain, "ETag"));
  CHECK_EQ(header(plain, "X-Cache"), "miss");
  CHECK_EQ(header(known, "X-Cache"), "hit");
  asked.known = "W/\"0123\"";
  const Reply other = co_await ask(a, handler, asked, kLong);
  CHECK_EQ(other.status, 200);
  CHECK_EQ(handler.made, 1);
}
