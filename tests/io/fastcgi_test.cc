#include "io/fastcgi.h"

#include <fcntl.h>

#include <map>

#include "support/async.h"
#include "support/check.h"
#include "support/edge.h"
#include "support/fastcgi_client.h"

using namespace plugfleet;
using test::request_bytes;

namespace {

// Answers by the path: what each test needs, and what it saw.
struct Handler : FastcgiHandler {
  Waiter entered, released, ended;
  std::map<int, int> statuses;
  std::string body_seen;
  std::size_t largest_part = 0;
  bool cancelled = false;
  std::vector<std::string> begun;

  Async<Reply> serve(Incoming& incoming) override {
    const std::string path(incoming.param("REQUEST_URI"));
    begun.push_back(path);
    entered.resume();
    if (path == "/work") {
      for (const auto until = Clock::now() + 1ms; Clock::now() < until;) {
      }
    }
    if (path == "/body") {
      const std::string_view body = co_await incoming.body(1 << 20);
      body_seen = body;
      co_return text(200, std::to_string(body.size()));
    }
    if (path == "/small") {
      const std::string_view body = co_await incoming.body(10);
      body_seen = body;
    }
    if (path == "/parts") {
      for (;;) {
        const std::string part = co_await incoming.body_part(10 << 20);
        if (part.empty()) break;
        largest_part = std::max(largest_part, part.size());
        body_seen += part;
        co_await sleep_for(1ms);  // slower than the sender
      }
    }
    if (path == "/wait") co_await released.wait();
    if (path == "/throw") throw std::runtime_error("a fault");
    if (path == "/large") co_return text(200, std::string(3'000'000, 'L'));
    co_return text(200, "hello");
  }

  Reply failed(Incoming&, std::exception_ptr failure) override {
    try {
      std::rethrow_exception(failure);
    } catch (const Failure& told) {
      cancelled = cancelled || told.kind() == FailureKind::cancelled;
      return error_reply(told, "trace");
    } catch (const std::exception&) {
      return error_reply(Failure(FailureKind::internal, "a fault"), "trace");
    }
  }

  void finished(Incoming&, const Reply& reply) override {
    ++statuses[reply.status];
    ended.resume();
  }
};

struct Edge : test::Edge {
  explicit Edge(Reactor& reactor, FastcgiOptions options = {}) : test::Edge(reactor) { serve(handler, options); }
  ~Edge() { end(); }
  Handler handler;
};

// Lets everything that is ready run once.
Async<void> next_turn(Reactor& reactor) {
  Waiter turned;
  reactor.post([&turned] { turned.resume(); });
  co_await turned.wait();
}

std::string get(const std::string& path, bool keep = true) {
  return request_bytes(1, {{"REQUEST_URI", path}}, "", keep);
}

std::string work() { return request_bytes(1, {{"REQUEST_URI", "/work"}, {"CONTENT_LENGTH", "1"}}, "x", true); }

}  // namespace

ASYNC_TEST(requests_follow_each_other_on_a_kept_connection) {
  Edge edge(reactor);
  for (int i = 0; i < 3; ++i) {
    co_await edge.send(get("/hello"));
    const std::string reply = co_await edge.reply();
    CHECK_CONTAINS(reply, "Status: 200 OK\r\n");
    CHECK_CONTAINS(reply, "\r\n\r\nhello");
  }
  CHECK_EQ(edge.handler.statuses[200], 3);
  CHECK_EQ(edge.server->connections(), 1u);
}

ASYNC_TEST(a_request_that_comes_byte_by_byte_waits_for_the_rest) {
  Edge edge(reactor);
  for (const char byte : get("/hello")) co_await edge.send(std::string(1, byte));
  const std::string reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "hello");
}

ASYNC_TEST(a_body_arrives_whole) {
  Edge edge(reactor);
  std::string body(500'000, 'x');
  body[499'999] = 'y';
  co_await edge.send(request_bytes(1, {{"REQUEST_URI", "/body"}, {"CONTENT_LENGTH", "500000"}}, body, true));
  const std::string reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "500000");
  CHECK(edge.handler.body_seen == body);
}

ASYNC_TEST(a_body_taken_in_parts_is_never_held_whole) {
  Edge edge(reactor);
  std::string body(2'000'000, 'x');
  for (std::size_t i = 0; i < body.size(); i += 1000) body[i] = static_cast<char>('a' + i / 1000 % 26);
  co_await edge.send(request_bytes(1, {{"REQUEST_URI", "/parts"}, {"CONTENT_LENGTH", "2000000"}}, body, true));
  const std::string reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "hello");
  CHECK(edge.handler.body_seen == body);
  CHECK(edge.handler.largest_part < 200'000);
}

ASYNC_TEST(a_body_nobody_wants_is_read_away_and_the_connection_goes_on) {
  Edge edge(reactor);
  co_await edge.send(
      request_bytes(1, {{"REQUEST_URI", "/hello"}, {"CONTENT_LENGTH", "900000"}}, std::string(900'000, 'x'), true));
  std::string reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "hello");
  co_await edge.send(get("/hello"));
  reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "hello");
}

ASYNC_TEST(a_peer_that_never_ends_the_body_is_cut_off) {
  Edge edge(reactor, {.body_timeout = 20ms});
  const std::string whole = request_bytes(1, {{"REQUEST_URI", "/hello"}}, "a body", true);
  co_await edge.send(whole.substr(0, whole.size() - 8));  // without the record that ends STDIN
  const std::string reply = co_await edge.reply();
  CHECK_EQ(reply, "(closed)");
  CHECK_EQ(edge.handler.statuses[200], 1);
  CHECK_EQ(edge.server->connections(), 0u);
}

ASYNC_TEST(the_end_of_the_body_may_come_at_any_moment_of_the_handler) {
  Edge edge(reactor);
  const std::string bytes = get("/hello");
  for (int i = 0; i < 100; ++i) {
    co_await edge.send(bytes.substr(0, bytes.size() - 8));
    for (int turn = 0; turn < i % 7; ++turn) co_await next_turn(reactor);
    co_await edge.send(bytes.substr(bytes.size() - 8));
    const std::string reply = co_await edge.reply();
    CHECK_CONTAINS(reply, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello");
  }
  CHECK_EQ(edge.handler.statuses[200], 100);
}

ASYNC_TEST(a_body_over_its_bound_is_refused_declared_or_not) {
  Edge edge(reactor);
  co_await edge.send(request_bytes(1, {{"REQUEST_URI", "/small"}, {"CONTENT_LENGTH", "11"}}, "12345678901", true));
  std::string reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "Status: 413");
  co_await edge.send(request_bytes(1, {{"REQUEST_URI", "/small"}}, "12345678901", true));
  reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "Status: 413");
}

ASYNC_TEST(a_large_reply_reaches_a_slow_reader_whole) {
  Edge edge(reactor);
  co_await edge.send(get("/large"));
  co_await sleep_for(5ms);  // the socket's buffer is full by now, the rest waits
  const std::string reply = co_await edge.reply();
  CHECK_EQ(reply.size() - reply.find("\r\n\r\n") - 4, 3'000'000u);
}

ASYNC_TEST(a_get_does_not_wait_behind_the_work_of_a_burst) {
  Edge edge(reactor);
  std::vector<test::Peer> burst;
  for (int i = 0; i < 40; ++i) {
    co_await burst.emplace_back(edge.path()).send(work());
  }
  co_await edge.send(get("/small"));  // a kept connection
  test::Peer late(edge.path());
  co_await late.send(get("/hello"));
  UNTIL(edge.handler.statuses[200] == 42);
  const auto place = [&](const char* path) {
    return std::ranges::find(edge.handler.begun, path) - edge.handler.begun.begin();
  };
  CHECK(place("/small") < 3);
  CHECK(place("/hello") < 5);
}

ASYNC_TEST(what_has_left_before_its_turn_is_not_begun) {
  Edge edge(reactor);
  std::vector<test::Peer> burst;
  for (int i = 0; i < 5; ++i) {
    co_await burst.emplace_back(edge.path()).send(work());
  }
  test::Peer leaver(edge.path());
  co_await leaver.send(request_bytes(1, {{"REQUEST_URI", "/body"}, {"CONTENT_LENGTH", "1"}}, "x", true));
  leaver.hang_up();
  UNTIL(edge.handler.statuses[200] == 5 && edge.handler.statuses[499] == 1);
  CHECK_EQ(std::ranges::count(edge.handler.begun, "/work"), 5);
  CHECK_EQ(std::ranges::count(edge.handler.begun, "/body"), 0);
}

ASYNC_TEST(a_client_that_leaves_cancels_its_handler) {
  Edge edge(reactor);
  co_await edge.send(get("/wait"));
  co_await edge.handler.entered.wait();
  edge.hang_up();
  co_await edge.handler.ended.wait();
  CHECK(edge.handler.cancelled);
  CHECK_EQ(edge.handler.statuses[499], 1);
  CHECK_EQ(edge.server->connections(), 0u);
}

ASYNC_TEST(a_request_past_its_time_is_answered_408) {
  Edge edge(reactor, {.request_timeout = 20ms});
  co_await edge.send(get("/wait"));
  const std::string reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "Status: 408");
}

ASYNC_TEST(a_fault_in_a_handler_is_a_500_and_the_connection_goes_on) {
  Edge edge(reactor);
  co_await edge.send(get("/throw"));
  std::string reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "Status: 500");
  co_await edge.send(get("/hello"));
  reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "hello");
}

ASYNC_TEST(a_draining_server_serves_what_comes_until_the_peer_closes) {
  Edge edge(reactor);
  co_await edge.send(get("/hello"));
  std::string reply = co_await edge.reply();
  Waiter drained;
  edge.server->drain(5s, [&] { drained.resume(); });
  co_await edge.send(get("/hello"));
  reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "hello");
  CHECK(!drained.resumed());
  edge.hang_up();
  co_await drained.wait();
}

ASYNC_TEST(a_drain_ends_at_its_deadline) {
  Edge edge(reactor);
  co_await edge.send(get("/wait"));
  co_await edge.handler.entered.wait();
  Waiter drained;
  edge.server->drain(20ms, [&] { drained.resume(); });
  co_await drained.wait();
  co_await edge.handler.ended.wait();
  CHECK_EQ(edge.handler.statuses[503], 1);
}

ASYNC_TEST(a_request_that_a_drain_cuts_off_is_answered_as_what_it_is) {
  Edge edge(reactor);
  co_await edge.send(get("/wait"));
  co_await edge.handler.entered.wait();
  Waiter drained;
  edge.server->drain(20ms, [&] { drained.resume(); });
  std::string reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "Status: 503");
  reply = co_await edge.reply();
  CHECK_EQ(reply, "(closed)");
  co_await drained.wait();
}

ASYNC_TEST(a_broken_stream_closes_its_connection_alone) {
  Edge edge(reactor);
  co_await edge.send("this is not FastCGI at all");
  const std::string reply = co_await edge.reply();
  CHECK_EQ(reply, "(closed)");
}

ASYNC_TEST(a_connection_that_is_not_kept_is_closed_after_its_reply) {
  Edge edge(reactor);
  co_await edge.send(get("/hello", false));
  std::string reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "hello");
  reply = co_await edge.reply();
  CHECK_EQ(reply, "(closed)");
}

// As two processes do it: both are woken by one connection, and one of them comes too late. Where its accept4 hangs, so
// does the test.
ASYNC_TEST(servers_that_share_a_blocking_socket_do_not_hang_on_each_others_connections) {
  Edge edge(reactor);
  edge.server.reset();
  ::fcntl(edge.listening(), F_SETFL, ::fcntl(edge.listening(), F_GETFL) & ~O_NONBLOCK);
  const int shared = ::dup(edge.listening());
  {
    FastcgiServer first(reactor, edge.listening(), edge.handler, {}), second(reactor, shared, edge.handler, {});
    for (int i = 0; i < 5; ++i) {
      test::Peer peer(edge.path());
      co_await peer.send(get("/hello"));
      const std::string reply = co_await peer.reply();
      CHECK_CONTAINS(reply, "hello");
    }
    UNTIL(first.connections() + second.connections() <= 1);  // the edge's own peer stays
  }
  ::close(shared);
}
