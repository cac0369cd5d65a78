// Redis behind a sentinel: a master and its replica on ports of their own, and a sentinel that is told about them.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>

#include "io/redis_support.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

// A port of 127.0.0.1 that nobody listens on.
int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

std::string text(int port) { return std::to_string(port); }

// The answer, or none while Redis is unavailable.
Async<std::optional<RedisReply>> answer(Redis& redis, std::vector<std::string> words) {
  try {
    RedisReply reply = co_await redis.command(std::move(words));
    co_return reply;
  } catch (const Failure& failure) {
    CHECK(failure.kind() == FailureKind::unavailable);
    co_return std::nullopt;
  }
}

bool says(const RedisReply& reply, const std::string& expected) {
  return reply.text == expected ||
         std::ranges::any_of(reply.items, [&](const auto& item) { return says(item, expected); });
}

Async<void> until_answered(Redis& redis, std::vector<std::string> words, std::string expected) {
  for (const auto deadline = Clock::now() + 8s;; co_await sleep_for(10ms)) {
    const auto reply = co_await answer(redis, words);
    if (reply && says(*reply, expected)) co_return;
    if (Clock::now() > deadline) fail("waited 8 s for " + expected);
  }
}

// Until it has been asked for its role and, refused as it was, once more.
Async<void> until_refused(Redis& replica) {
  constexpr std::string_view kCount = "cmdstat_role:calls=";
  for (const auto deadline = Clock::now() + 8s;; co_await sleep_for(10ms)) {
    const auto reply = co_await answer(replica, {"INFO", "commandstats"});
    const std::size_t at = reply ? reply->text.find(kCount) : std::string::npos;
    if (at != std::string::npos && std::stoi(reply->text.substr(at + kCount.size())) > 1) co_return;
    if (Clock::now() > deadline) fail("waited 8 s for a second question");
  }
}

struct Place {
  explicit Place(Reactor& reactor) {
    first.end();
    first.start({"--port", text(first_port), "--repl-diskless-sync-delay", "0"});
    second.end();
    second.start({"--port", text(second_port), "--replicaof", "127.0.0.1 " + text(first_port)});
    sentinel.end();
    const std::string config = sentinel.socket() + ".conf";
    std::ofstream(config).close();  // it wants one, to write into
    sentinel.start({"--port", text(sentinel_port), "--sentinel"}, config);
    one.emplace(reactor, RedisOptions{.address = "127.0.0.1:" + text(first_port)});
    two.emplace(reactor, RedisOptions{.address = "127.0.0.1:" + text(second_port)});
    told.emplace(reactor, RedisOptions{.address = sentinel.socket()});
  }

  // The sentinel watches the Redis on that port, which has the other one for a replica.
  Async<void> watch(int port) {
    co_await until_answered(*two, {"ROLE"}, "connected");
    co_await until_answered(*told, {"SENTINEL", "MONITOR", "state", "127.0.0.1", text(port), "1"}, "OK");
    co_await until_answered(*told, {"SENTINEL", "SET", "state", "down-after-milliseconds", "500"}, "OK");
  }
  // The first sentinel of the address is not there.
  RedisOptions found() const {
    return {.address = fmt::format("sentinel://127.0.0.1:{},127.0.0.1:{}/state", free_port(), sentinel_port)};
  }

  const int first_port = free_port(), second_port = free_port(), sentinel_port = free_port();
  RedisServer first, second, sentinel;
  std::optional<Redis> one, two, told;
};

}  // namespace

ASYNC_TEST(the_master_is_found_and_so_is_the_one_after_it) {
  Place place(reactor);
  co_await place.watch(place.first_port);
  int gaps = 0;
  Redis redis(reactor, place.found());
  RedisSubscriber subscriber(reactor, place.found(), {.on_message = [](auto, auto) {}, .on_gap = [&] { ++gaps; }});
  co_await until_answered(redis, {"CONFIG", "GET", "port"}, text(place.first_port));
  UNTIL(gaps == 1);
  co_await until_answered(*place.told, {"SENTINEL", "REPLICAS", "state"}, "ok");  // its master-link-status
  place.first.end();
  co_await until_answered(redis, {"CONFIG", "GET", "port"}, text(place.second_port));
  const auto written = co_await answer(redis, {"SET", "test:after", "1"});
  CHECK(written && written->text == "OK");
  UNTIL(gaps == 2 && subscriber.connected());
}

ASYNC_TEST(a_replica_that_a_sentinel_names_is_not_taken) {
  Place place(reactor);
  co_await place.watch(place.second_port);
  co_await until_answered(*place.two, {"CONFIG", "RESETSTAT"}, "OK");
  Redis redis(reactor, place.found());
  co_await until_refused(*place.two);
  CHECK(!redis.connected());
  co_await until_answered(*place.two, {"REPLICAOF", "NO", "ONE"}, "OK");
  co_await until_answered(redis, {"CONFIG", "GET", "port"}, text(place.second_port));
}

ASYNC_TEST(a_master_that_has_become_a_replica_is_left_at_the_first_refusal) {
  Place place(reactor);
  co_await place.watch(place.first_port);
  Redis redis(reactor, place.found());
  co_await until_answered(redis, {"PING"}, "PONG");
  co_await until_answered(*place.one, {"REPLICAOF", "127.0.0.1", text(place.second_port)}, "OK");
  const auto refused = co_await answer(redis, {"SET", "test:refused", "1"});
  CHECK(!refused);
  CHECK(!redis.connected());
}

ASYNC_TEST(without_any_sentinel_it_is_unavailable_at_once) {
  Redis redis(reactor, {.address = fmt::format("sentinel://127.0.0.1:{}/state", free_port())});
  const auto reply = co_await answer(redis, {"PING"});
  CHECK(!reply);
}
