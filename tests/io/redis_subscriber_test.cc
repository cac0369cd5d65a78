#include <map>

#include "io/redis_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

// What a subscriber heard, and somebody else to publish and to look.
struct Ear {
  explicit Ear(Reactor& reactor, const RedisServer& server)
      : subscriber(reactor, {.address = server.socket(), .connect_timeout = 200ms, .command_timeout = 200ms},
                   {.on_message = [this](auto channel, auto text) { heard[std::string(channel)] += text; },
                    .on_gap = [this] { ++gaps; }}),
        redis(reactor, {.address = server.socket(), .command_timeout = 5s}) {}

  Async<void> ready() { UNTIL(subscriber.connected() && redis.connected()); }
  // Redis answers one connection after the other: publishes until it is heard.
  Async<void> hears(std::string channel) {
    const auto before = heard[channel].size();
    const auto deadline = Clock::now() + 8s;
    while (heard[channel].size() == before) {
      if (Clock::now() > deadline) fail("nothing is heard on " + channel);
      if (redis.connected()) co_await redis.command({"PUBLISH", channel, "x"});
      co_await sleep_for(2ms);
    }
  }

  std::map<std::string, std::string> heard;
  int gaps = 0;
  RedisSubscriber subscriber;
  Redis redis;
};

}  // namespace

ASYNC_TEST(messages_reach_the_channel_they_are_for) {
  RedisServer server;
  Ear ear(reactor, server);
  ear.subscriber.subscribe("a");
  ear.subscriber.subscribe("b");
  co_await ear.ready();
  ear.subscriber.subscribe("c");
  co_await listeners_are(ear.redis, "c", 1);
  const std::string bytes("1\0\r\n\xff", 5), large(300'000, 'x');  // more than one read
  for (const auto& [channel, text] :
       std::map<std::string, std::string>{{"a", bytes}, {"b", large}, {"c", "3"}, {"d", "4"}}) {
    co_await ear.redis.command({"PUBLISH", channel, text});
  }
  UNTIL(ear.heard.contains("c"));
  CHECK(ear.heard["a"] == bytes && ear.heard["b"] == large && ear.heard["c"] == "3");
  CHECK(!ear.heard.contains("d"));
  CHECK_EQ(ear.gaps, 1);
}

ASYNC_TEST(a_channel_is_left_when_it_was_unsubscribed_as_often_as_subscribed) {
  RedisServer server;
  Ear ear(reactor, server);
  co_await ear.ready();
  ear.subscriber.subscribe("a");
  ear.subscriber.subscribe("a");
  co_await listeners_are(ear.redis, "a", 1);
  ear.subscriber.unsubscribe("a");
  co_await ear.hears("a");
  ear.subscriber.unsubscribe("a");
  co_await listeners_are(ear.redis, "a", 0);
  ear.subscriber.unsubscribe("a");  // one too many changes nothing
  ear.subscriber.subscribe("a");
  co_await listeners_are(ear.redis, "a", 1);
  CHECK(ear.subscriber.connected());
}

ASYNC_TEST(a_connection_that_is_killed_comes_back_with_its_channels_and_tells_of_the_gap) {
  RedisServer server;
  Ear ear(reactor, server);
  ear.subscriber.subscribe("a");
  ear.subscriber.subscribe("left");
  co_await ear.ready();
  ear.subscriber.unsubscribe("left");
  for (int round = 1; round <= 3; ++round) {
    co_await ear.redis.command({"CLIENT", "KILL", "TYPE", "pubsub"});
    UNTIL(ear.gaps == round + 1);
    CHECK(ear.subscriber.connected());
    co_await ear.hears("a");
  }
  co_await listeners_are(ear.redis, "left", 0);
}

ASYNC_TEST(a_redis_that_is_down_at_the_start_is_found_when_it_comes) {
  RedisServer server;
  server.end();
  std::filesystem::remove(server.socket());
  Ear ear(reactor, server);
  ear.subscriber.subscribe("a");
  CHECK(!ear.subscriber.connected());
  server.start();
  co_await ear.ready();
  CHECK_EQ(ear.gaps, 1);
  co_await ear.hears("a");
}

ASYNC_TEST(a_redis_that_is_loading_its_data_is_no_connection_to_a_subscriber_either) {
  RedisServer server;
  {
    Ear ear(reactor, server);
    co_await ear.ready();
    co_await ear.redis.command({"EVAL", "for i = 1, 300 do redis.call('SET', i, string.rep('x', 100)) end", "0"});
    co_await ear.redis.command({"SAVE"});
  }
  server.end();
  std::filesystem::remove(server.socket());
  server.start({"--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"});  // takes 0.3 s
  UNTIL(std::filesystem::exists(server.socket()));
  const auto started = Clock::now();
  Ear ear(reactor, server);
  ear.subscriber.subscribe("a");
  co_await ear.ready();
  CHECK(Clock::now() - started > 100ms);
  CHECK_EQ(ear.gaps, 1);
}

ASYNC_TEST(a_redis_that_hangs_is_noticed_and_found_again) {
  RedisServer server;
  Ear ear(reactor, server);
  ear.subscriber.subscribe("a");
  co_await ear.ready();
  server.send(SIGSTOP);
  UNTIL(!ear.subscriber.connected());
  ear.subscriber.subscribe("b");
  server.send(SIGCONT);
  UNTIL(ear.gaps == 2);
  co_await ear.hears("a");
  co_await ear.hears("b");
}

ASYNC_TEST(a_redis_that_stops_serving_for_a_while_is_noticed_and_found_again) {
  RedisServer server;
  Ear ear(reactor, server);
  ear.subscriber.subscribe("a");
  co_await ear.ready();
  co_await ear.redis.command({"CLIENT", "PAUSE", "2500", "ALL"});
  UNTIL(!ear.subscriber.connected());
  UNTIL(ear.gaps == 2);
  co_await ear.hears("a");
}

ASYNC_TEST(a_connection_on_which_nothing_happens_stays) {
  RedisServer server;
  Ear ear(reactor, server);
  ear.subscriber.subscribe("a");
  co_await ear.ready();
  const auto before = co_await told_by_info(ear.redis, "commandstats", "cmdstat_ping:calls=");
  for (auto asked = before; asked < before + 2;) {
    co_await sleep_for(20ms);
    asked = co_await told_by_info(ear.redis, "commandstats", "cmdstat_ping:calls=");
  }
  co_await ear.hears("a");
  CHECK_EQ(ear.gaps, 1);
}

ASYNC_TEST(five_thousand_channels_are_subscribed_again_in_a_few_commands) {
  RedisServer server;
  Ear ear(reactor, server);
  for (int i = 0; i < 5000; ++i) ear.subscriber.subscribe("job:" + std::to_string(i));
  co_await ear.ready();
  const auto at_first = co_await told_by_info(ear.redis, "commandstats", "cmdstat_subscribe:calls=");
  CHECK_EQ(at_first, 10);
  co_await ear.redis.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  UNTIL(!ear.subscriber.connected());
  UNTIL(ear.subscriber.connected());  // not before all of them stand:
  const auto channels = co_await ear.redis.command({"PUBSUB", "CHANNELS"});
  CHECK_EQ(channels.items.size(), 5000u);
  for (int i = 0; i < 5000; i += 999) {
    const std::string channel = "job:" + std::to_string(i);
    co_await ear.redis.command({"PUBLISH", channel, "x"});
    UNTIL(ear.heard[channel] == "x");
  }
}

ASYNC_TEST(a_subscriber_may_be_destroyed_by_what_it_calls) {
  RedisServer server;
  Redis redis(reactor, {.address = server.socket()});
  std::unique_ptr<RedisSubscriber> subscriber;
  int messages = 0;
  const auto made = [&](std::function<void()> on_gap) {
    const auto on_message = [&](auto, auto) {
      ++messages;
      subscriber.reset();
    };
    return std::make_unique<RedisSubscriber>(reactor, RedisOptions{.address = server.socket()},
                                             RedisSubscriber::Events{on_message, std::move(on_gap)});
  };
  subscriber = made([&] { subscriber.reset(); });
  UNTIL(!subscriber && redis.connected());

  subscriber = made([] {});
  subscriber->subscribe("a");
  UNTIL(subscriber->connected());
  redis.send({"PUBLISH", "a", "1"});
  redis.send({"PUBLISH", "a", "2"});
  UNTIL(!subscriber);
  co_await redis.command({"PING"});
  CHECK_EQ(messages, 1);
}
