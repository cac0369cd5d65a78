#include "io/redis.h"

#include "io/redis_support.h"

using namespace plugfleet;
using namespace plugfleet::test;
using Type = RedisReply::Type;

namespace {

// What became of one command: its text, or why there is none.
struct Outcome {
  std::optional<FailureKind> failed;
  std::string text;
  bool ended = false;
};
using OutcomePtr = std::shared_ptr<Outcome>;

Async<void> note(Redis& redis, std::vector<std::string> words, OutcomePtr outcome) {
  try {
    const auto reply = co_await redis.command(std::move(words));
    outcome->text = reply.text;
  } catch (const Failure& failure) {
    outcome->failed = failure.kind();
  } catch (const Cancellation&) {
    outcome->failed = FailureKind::cancelled;
  }
  outcome->ended = true;
}

Async<Outcome> outcome_of(Redis& redis, std::vector<std::string> words) {
  const auto outcome = std::make_shared<Outcome>();
  co_await note(redis, std::move(words), outcome);
  co_return *outcome;
}

}  // namespace

ASYNC_TEST(every_type_of_reply_arrives_as_it_was_sent) {
  Redis redis(reactor, {.address = shared_socket()});
  const std::string bytes("a\0b\r\n\xff", 6);
  const auto set = co_await redis.command({"SET", "test:bytes", bytes});
  CHECK_EQ(set.text, "OK");
  const auto get = co_await redis.command({"GET", "test:bytes"});
  CHECK(get.type == Type::string && get.text == bytes);
  const auto none = co_await redis.command({"GET", "test:nothing"});
  CHECK(none.is_nil());
  co_await redis.command({"DEL", "test:count"});
  const auto count = co_await redis.command({"INCRBY", "test:count", "-5"});
  CHECK(count.type == Type::integer && count.integer == -5);
  const auto array = co_await redis.command({"EVAL", "return {1, {'x'}, false, redis.error_reply('E no')}", "0"});
  CHECK_EQ(array.items.size(), 4u);
  CHECK_EQ(array.items[1].items[0].text, "x");
  CHECK(array.items[2].is_nil());
  CHECK(array.items[3].type == Type::error);
}

ASYNC_TEST(R1_a_thousand_commands_of_one_turn_each_get_their_own_reply) {
  Redis redis(reactor, {.address = shared_socket()});
  std::vector<OutcomePtr> outcomes;
  for (int i = 0; i < 1000; ++i) {
    outcomes.push_back(std::make_shared<Outcome>());
    reactor.spawn(note(redis, {"ECHO", std::to_string(i)}, outcomes.back()));
  }
  UNTIL(outcomes.back()->ended);
  for (int i = 0; i < 1000; ++i) CHECK_EQ(outcomes[static_cast<std::size_t>(i)]->text, std::to_string(i));
}

ASYNC_TEST(a_value_of_eight_megabytes_passes_both_ways) {
  Redis redis(reactor, {.address = shared_socket(), .command_timeout = 5s});
  const std::string large(8 << 20, 'x');
  co_await redis.command({"SET", "test:large", large});
  const auto back = co_await redis.command({"GETDEL", "test:large"});
  CHECK(back.text == large);
}

ASYNC_TEST(a_refused_command_is_our_fault_and_the_connection_stays) {
  Redis redis(reactor, {.address = shared_socket()});
  std::string text;
  try {
    co_await redis.command({"INCRBY", "test:count", "many"});
  } catch (const RedisError& error) {
    CHECK(error.kind() == FailureKind::internal);
    text = error.text();
  }
  CHECK_CONTAINS(text, "not an integer");
  CHECK(redis.connected());
}

ASYNC_TEST(a_script_unknown_to_redis_is_sent_once) {
  static const RedisScript kScript("return {KEYS[1], ARGV[1], ARGV[2]}");
  Redis redis(reactor, {.address = shared_socket()});
  co_await redis.command({"SCRIPT", "FLUSH"});
  for (int round = 0; round < 2; ++round) {
    const auto reply = co_await redis.eval(kScript, {"test:key"}, {"1", "2"});
    CHECK_EQ(reply.items.size(), 3u);
    CHECK_EQ(reply.items[0].text, "test:key");
    CHECK_EQ(reply.items[2].text, "2");
    const auto known = co_await redis.command({"SCRIPT", "EXISTS", kScript.sha1()});
    CHECK_EQ(known.items[0].integer, 1);
  }
  CHECK_EQ(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");  // FIPS 180-4's example
}

ASYNC_TEST(over_the_bound_a_command_fails_at_once) {
  Redis redis(reactor, {.address = shared_socket(), .pending_max = 3});
  UNTIL(redis.connected());
  std::vector<OutcomePtr> outcomes;
  for (int i = 0; i < 4; ++i) {
    outcomes.push_back(std::make_shared<Outcome>());
    reactor.spawn(note(redis, {"ECHO", "x"}, outcomes.back()));
  }
  UNTIL(outcomes[0]->ended && outcomes[2]->ended && outcomes[3]->ended);
  CHECK(!outcomes[2]->failed);
  CHECK(outcomes[3]->failed == FailureKind::unavailable);
}

ASYNC_TEST(R4_commands_wait_for_the_first_attempt_and_no_longer) {
  RedisServer server;
  const std::string nowhere = server.socket() + ".none";
  Redis redis(reactor, {.address = nowhere, .connect_timeout = 1h, .command_timeout = 1h});
  const auto refused = co_await outcome_of(redis, {"PING"});  // at once: the test has no hour
  CHECK(refused.failed == FailureKind::unavailable);

  UNTIL(std::filesystem::exists(server.socket()));
  server.send(SIGSTOP);
  Redis greeting(reactor, {.address = server.socket(), .connect_timeout = 5s});
  const auto waiting = std::make_shared<Outcome>();
  reactor.spawn(note(greeting, {"ECHO", "early"}, waiting));
  co_await sleep_for(10ms);
  CHECK(!waiting->ended);
  server.send(SIGCONT);
  UNTIL(waiting->ended);
  CHECK_EQ(waiting->text, "early");
}

ASYNC_TEST(R4_a_redis_that_accepts_but_does_not_answer_is_no_connection) {
  RedisServer server;
  UNTIL(std::filesystem::exists(server.socket()));
  server.send(SIGSTOP);
  Redis redis(reactor, {.address = server.socket(), .connect_timeout = 50ms});
  const auto first = co_await outcome_of(redis, {"PING"});
  CHECK(first.failed == FailureKind::unavailable);
  for (int i = 0; i < 20; ++i) {  // over several attempts, none of which is waited for
    const auto later = std::make_shared<Outcome>();
    reactor.spawn(note(redis, {"PING"}, later));
    CHECK(later->ended && later->failed == FailureKind::unavailable);
    co_await sleep_for(10ms);
  }
  server.send(SIGCONT);
  UNTIL(redis.connected());
}

ASYNC_TEST(R5_a_stopped_redis_fails_what_is_pending_in_time_and_is_found_again) {
  RedisServer server;
  Redis redis(reactor, {.address = server.socket(), .command_timeout = 100ms});
  UNTIL(redis.connected());
  server.send(SIGSTOP);
  const auto started = Clock::now();
  const auto first = std::make_shared<Outcome>(), second = std::make_shared<Outcome>();
  reactor.spawn(note(redis, {"ECHO", "1"}, first));
  co_await sleep_for(50ms);
  reactor.spawn(note(redis, {"ECHO", "2"}, second));
  UNTIL(first->ended && second->ended);
  CHECK(first->failed == FailureKind::unavailable && second->failed == FailureKind::unavailable);
  CHECK(Clock::now() - started >= 100ms);
  CHECK(!redis.connected());
  server.send(SIGCONT);
  UNTIL(redis.connected());
  const auto again = co_await redis.command({"ECHO", "3"});
  CHECK_EQ(again.text, "3");  // not "1" or "2": what the old connection owed is gone
}

ASYNC_TEST(a_reactor_that_was_late_itself_does_not_blame_redis) {
  Redis redis(reactor, {.address = shared_socket(), .command_timeout = 50ms});
  const std::string large(150'000, 'x');  // more than one read, less than what the socket holds
  co_await redis.command({"SET", "test:large", large});
  const auto outcome = std::make_shared<Outcome>();
  reactor.spawn(note(redis, {"GET", "test:large"}, outcome));
  co_await sleep_for(0ms);
  usleep(80'000);  // blocks the thread, as a handler that misbehaves would
  UNTIL(outcome->ended);
  CHECK(outcome->text == large);
  CHECK(redis.connected());
}

ASYNC_TEST(R2_a_killed_redis_fails_what_is_pending_at_once_and_is_found_again_when_restarted) {
  RedisServer server;
  Redis redis(reactor, {.address = server.socket(), .command_timeout = 8s});
  for (int round = 0; round < 3; ++round) {
    UNTIL(redis.connected());
    server.send(SIGSTOP);
    std::vector<OutcomePtr> outcomes;
    for (int i = 0; i < 100; ++i) {
      outcomes.push_back(std::make_shared<Outcome>());
      reactor.spawn(note(redis, {"ECHO", "x"}, outcomes.back()));
    }
    co_await sleep_for(1ms);
    server.end();
    UNTIL(outcomes.back()->ended);
    for (const auto& outcome : outcomes) CHECK(outcome->failed == FailureKind::unavailable);
    CHECK(!redis.connected());
    server.start();
  }
  UNTIL(redis.connected());
}

ASYNC_TEST(a_redis_that_is_loading_its_data_is_no_connection) {
  RedisServer server;
  {
    Redis redis(reactor, {.address = server.socket(), .command_timeout = 5s});
    UNTIL(redis.connected());
    co_await redis.command({"EVAL", "for i = 1, 300 do redis.call('SET', i, string.rep('x', 100)) end", "0"});
    co_await redis.command({"SAVE"});
  }
  server.end();
  std::filesystem::remove(server.socket());
  server.start({"--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"});  // takes 0.6 s
  UNTIL(std::filesystem::exists(server.socket()));
  Redis redis(reactor, {.address = server.socket(), .connect_timeout = 1h});
  const auto early = co_await outcome_of(redis, {"GET", "300"});  // told by -LOADING, not by silence
  CHECK(early.failed == FailureKind::unavailable);
  UNTIL(redis.connected());
  const auto late = co_await redis.command({"GET", "300"});
  CHECK_EQ(late.text.size(), 100u);
}

ASYNC_TEST(a_redis_that_is_read_only_is_unavailable_to_writers_alone) {
  RedisServer server;
  Redis redis(reactor, {.address = server.socket()});
  UNTIL(redis.connected());
  co_await redis.command({"REPLICAOF", "127.0.0.1", "1"});
  static const RedisScript kWrite("return redis.call('SET', KEYS[1], '1')");
  const auto write = co_await outcome_of(redis, {"SET", "a", "1"});
  CHECK(write.failed == FailureKind::unavailable);
  std::optional<FailureKind> by_script;
  try {
    co_await redis.eval(kWrite, {"a"}, {});
  } catch (const Failure& failure) {
    by_script = failure.kind();
  }
  CHECK(by_script == FailureKind::unavailable);
  const auto read = co_await outcome_of(redis, {"GET", "a"});
  CHECK(!read.failed);
  co_await redis.command({"REPLICAOF", "NO", "ONE"});
  const auto again = co_await outcome_of(redis, {"SET", "a", "1"});
  CHECK_EQ(again.text, "OK");
}

ASYNC_TEST(a_cancelled_caller_leaves_at_once_and_the_next_reply_finds_its_own) {
  RedisServer server;
  Redis redis(reactor, {.address = server.socket(), .command_timeout = 5s});
  UNTIL(redis.connected());
  server.send(SIGSTOP);
  const auto gone = std::make_shared<Outcome>(), next = std::make_shared<Outcome>();
  const TaskPtr task = reactor.spawn(note(redis, {"ECHO", "gone"}, gone));
  reactor.spawn(note(redis, {"ECHO", "next"}, next));
  co_await sleep_for(1ms);
  task->cancel(Failure(FailureKind::cancelled, "left"));
  UNTIL(gone->ended);
  CHECK(gone->failed == FailureKind::cancelled);
  CHECK(!next->ended);
  server.send(SIGCONT);
  UNTIL(next->ended);
  CHECK_EQ(next->text, "next");
}

ASYNC_TEST(R2_what_is_pending_fails_when_the_object_goes) {
  const auto outcome = std::make_shared<Outcome>();
  {
    Redis redis(reactor, {.address = shared_socket()});
    reactor.spawn(note(redis, {"ECHO", "x"}, outcome));
    co_await sleep_for(0ms);
  }
  UNTIL(outcome->ended);
  CHECK(outcome->failed == FailureKind::unavailable || outcome->text == "x");
}

ASYNC_TEST(a_path_too_long_for_a_socket_is_refused_at_the_start) {
  CHECK_THROWS(Failure, Redis(reactor, {.address = std::string(108, 'x')}));
  co_return;
}
