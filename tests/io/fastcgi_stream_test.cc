#include "io/fastcgi_stream.h"

#include <vector>

#include "support/async.h"
#include "support/check.h"
#include "support/edge.h"
#include "support/fastcgi_client.h"

using namespace plugfleet;
using test::request_bytes;

namespace {

// A stream as its owner sees it.
struct Feed : BodyStream {
  explicit Feed(std::string the_first) : first(std::move(the_first)) {}

  void opened(BodySink& its_sink) override {
    sink = &its_sink;
    if (!first.empty()) sink->write(first);
    if (first == "all of it") sink->end();
    in_call = false;
    is_open.resume();
  }
  void closed() override {
    if (in_call) ++closed_within_a_call;
    ++times_closed;
    sink->write("nobody gets this");
    sink = nullptr;
    is_closed.resume();
  }

  // As an owner that walks over its streams would: closed() must not come in between.
  void write(const std::string& part) {
    CHECK(sink != nullptr);
    in_call = true;
    sink->write(part);
    in_call = false;
  }
  void end() {
    CHECK(sink != nullptr);
    in_call = true;
    sink->end();
    in_call = false;
  }

  std::string first;
  BodySink* sink = nullptr;
  Waiter is_open, is_closed;
  bool in_call = true;
  int times_closed = 0, closed_within_a_call = 0;
};

struct Handler : FastcgiHandler {
  std::vector<std::shared_ptr<Feed>> feeds;
  int ended = 0;
  std::size_t streamed = 0;
  std::string path_left, agent_left;

  Async<Reply> serve(Incoming& incoming) override {
    const std::string path(incoming.param("REQUEST_URI"));
    if (path == "/wait") co_await sleep_for(60s);
    if (path.starts_with("/stream/")) {
      feeds.push_back(std::make_shared<Feed>(path.substr(8)));
      incoming.keep_only({"REQUEST_METHOD", "HTTP_USER_AGENT"});
      co_return Reply{.stream = feeds.back(), .content_type = "text/event-stream"};
    }
    co_return text(200, "hello");
  }
  Reply failed(Incoming&, std::exception_ptr failure) override {
    try {
      std::rethrow_exception(failure);
    } catch (const Failure& told) {
      return error_reply(told, "trace");
    }
  }
  void finished(Incoming& incoming, const Reply&) override {
    ++ended;
    streamed += incoming.streamed();
    path_left = incoming.param("REQUEST_URI");
    agent_left = incoming.param("HTTP_USER_AGENT");
  }
};

struct Edge : test::Edge {
  explicit Edge(Reactor& reactor, FastcgiOptions options = {}) : test::Edge(reactor) { serve(handler, options); }
  ~Edge() { end(); }

  // Asks for a stream whose opened() writes `first`, and waits until it is there.
  Async<std::shared_ptr<Feed>> open(test::Peer& peer, std::string first) {
    const std::size_t before = handler.feeds.size();
    co_await peer.send(request_bytes(1, {{"REQUEST_URI", "/stream/" + first}}, "", true));
    UNTIL(handler.feeds.size() != before);
    const auto feed = handler.feeds.back();
    co_await feed->is_open.wait();
    co_return feed;
  }

  Handler handler;
};

// Lets everything that is ready run once.
Async<void> next_turn(Reactor& reactor) {
  Waiter turned;
  reactor.post([&turned] { turned.resume(); });
  co_await turned.wait();
}

std::string get(const std::string& path) { return request_bytes(1, {{"REQUEST_URI", path}}, "", true); }

}  // namespace

ASYNC_TEST(a_streams_parts_arrive_in_order_and_one_by_one) {
  Edge edge(reactor);
  const auto feed = co_await edge.open(edge, "first");
  std::string record = co_await edge.record();
  CHECK_EQ(record, "Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  record = co_await edge.record();
  CHECK_EQ(record, "first");
  for (int i = 0; i < 5; ++i) {
    feed->write(std::to_string(i));
    record = co_await edge.record();
    CHECK_EQ(record, std::to_string(i));
  }
  CHECK_EQ(feed->times_closed, 0);
}

ASYNC_TEST(a_stream_that_ends_leaves_its_connection_to_the_next_request) {
  Edge edge(reactor);
  for (int i = 0; i < 2; ++i) {
    const auto feed = co_await edge.open(edge, "first ");
    feed->write("last");
    feed->end();
    std::string reply = co_await edge.reply();
    CHECK(reply.ends_with("\r\n\r\nfirst last"));
    co_await feed->is_closed.wait();
    CHECK_EQ(feed->times_closed, 1);
    CHECK_EQ(feed->closed_within_a_call, 0);
    co_await edge.send(get("/hello"));
    reply = co_await edge.reply();
    CHECK_CONTAINS(reply, "hello");
  }
  CHECK_EQ(edge.server->connections(), 1u);
  CHECK_EQ(edge.handler.ended, 4);
  CHECK_EQ(edge.handler.streamed, 20u);
}

ASYNC_TEST(a_stream_may_be_over_before_opened_returns) {
  Edge edge(reactor);
  const auto feed = co_await edge.open(edge, "all of it");
  const std::string reply = co_await edge.reply();
  CHECK(reply.ends_with("\r\n\r\nall of it"));
  co_await feed->is_closed.wait();
  CHECK_EQ(feed->closed_within_a_call, 0);
  CHECK_EQ(feed->times_closed, 1);
}

ASYNC_TEST(parts_of_any_size_arrive_whole) {
  Edge edge(reactor);
  std::string large(3'000'000, 'L');
  for (std::size_t i = 0; i < large.size(); i += 1000) large[i] = static_cast<char>('a' + i / 1000 % 26);
  const auto feed = co_await edge.open(edge, large.substr(0, 30'000));
  feed->write(large);
  feed->end();
  const std::string reply = co_await edge.reply();
  CHECK(reply.ends_with("\r\n\r\n" + large.substr(0, 30'000) + large));
  co_await feed->is_closed.wait();
  CHECK_EQ(edge.server->connections(), 1u);
}

ASYNC_TEST(a_client_that_leaves_closes_its_stream_once) {
  Edge edge(reactor);
  const auto feed = co_await edge.open(edge, "first");
  edge.hang_up();
  co_await feed->is_closed.wait();
  co_await next_turn(reactor);
  CHECK_EQ(feed->times_closed, 1);
  CHECK_EQ(edge.handler.ended, 1);
  CHECK_EQ(edge.server->connections(), 0u);
}

ASYNC_TEST(a_client_that_has_left_is_noticed_by_a_write_after_that_write) {
  Edge edge(reactor);
  const auto feed = co_await edge.open(edge, "first");
  edge.hang_up();
  feed->write("to nobody");  // before the edge could read that it left
  feed->write("to nobody");
  feed->end();
  co_await feed->is_closed.wait();
  co_await next_turn(reactor);
  CHECK_EQ(feed->times_closed, 1);
  CHECK_EQ(feed->closed_within_a_call, 0);
  CHECK_EQ(edge.server->connections(), 0u);
}

ASYNC_TEST(a_client_too_far_behind_is_dropped_and_another_gets_its_parts) {
  Edge edge(reactor);
  test::Peer other(edge.path());
  const auto slow = co_await edge.open(edge, "");
  const auto quick = co_await edge.open(other, "");
  std::string record = co_await other.record();
  CHECK_CONTAINS(record, "Status: 200");
  const std::string part(10'000, 'x');
  int parts = 0;
  for (; slow->times_closed == 0 && parts < 1000; ++parts) {
    slow->write(part);
    quick->write(std::to_string(parts));
    record = co_await other.record();
    CHECK_EQ(record, std::to_string(parts));
    co_await next_turn(reactor);
  }
  CHECK(parts > 26);  // 256 KB, and what the socket holds
  CHECK(parts < 100);
  CHECK_EQ(slow->closed_within_a_call, 0);
  CHECK_EQ(slow->times_closed, 1);
  CHECK_EQ(quick->times_closed, 0);
  CHECK_EQ(edge.server->connections(), 1u);
}

ASYNC_TEST(a_client_that_takes_nothing_of_what_waits_is_dropped_and_an_idle_one_is_not) {
  Edge edge(reactor, {.stream_patience = 20ms});
  test::Peer other(edge.path());
  const auto slow = co_await edge.open(edge, "");
  const auto idle = co_await edge.open(other, "");
  slow->write(std::string(2'000'000, 'x'));
  co_await slow->is_closed.wait();
  CHECK_EQ(slow->times_closed, 1);
  CHECK_EQ(idle->times_closed, 0);
  CHECK_EQ(edge.server->connections(), 1u);
}

ASYNC_TEST(a_drain_ends_streams_and_those_that_come_after_it) {
  Edge edge(reactor);
  auto feed = co_await edge.open(edge, "first");
  Waiter drained;
  edge.server->drain(5s, [&] { drained.resume(); });
  CHECK_EQ(feed->times_closed, 0);
  std::string reply = co_await edge.reply();
  CHECK(reply.ends_with("first"));
  co_await feed->is_closed.wait();
  feed = co_await edge.open(edge, "second");
  reply = co_await edge.reply();
  CHECK(reply.ends_with("second"));
  co_await feed->is_closed.wait();
  CHECK_EQ(feed->times_closed, 1);
  CHECK(!drained.resumed());
  edge.hang_up();
  co_await drained.wait();
}

ASYNC_TEST(a_drains_deadline_closes_a_stream_that_is_stuck) {
  Edge edge(reactor);
  const auto feed = co_await edge.open(edge, "");
  feed->write(std::string(2'000'000, 'x'));
  Waiter drained;
  edge.server->drain(20ms, [&] { drained.resume(); });
  co_await drained.wait();
  CHECK_EQ(feed->times_closed, 1);
}

ASYNC_TEST(a_stream_outlasts_the_time_a_request_has) {
  Edge edge(reactor, {.request_timeout = 20ms});
  test::Peer other(edge.path());
  const auto feed = co_await edge.open(edge, "");
  co_await other.send(get("/wait"));  // a request that began after the stream
  std::string reply = co_await other.reply();
  CHECK_CONTAINS(reply, "Status: 408");
  feed->write("still here");
  feed->end();
  reply = co_await edge.reply();
  CHECK(reply.ends_with("\r\n\r\nstill here"));
}

ASYNC_TEST(head_of_a_stream_is_its_header_alone) {
  Edge edge(reactor);
  co_await edge.send(request_bytes(1, {{"REQUEST_URI", "/stream/first"}, {"REQUEST_METHOD", "HEAD"}}, "", true));
  std::string reply = co_await edge.reply();
  CHECK_EQ(reply, "Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  CHECK(edge.handler.feeds.at(0)->sink == nullptr);
  CHECK_EQ(edge.handler.feeds.at(0)->times_closed, 0);
  co_await edge.send(get("/hello"));
  reply = co_await edge.reply();
  CHECK_CONTAINS(reply, "hello");
}

ASYNC_TEST(a_stream_keeps_the_parameters_it_still_needs_cut_short) {
  Edge edge(reactor);
  co_await edge.send(request_bytes(
      1, {{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/stream/x"}, {"HTTP_USER_AGENT", std::string(5000, 'u')}}, "",
      true));
  std::string record = co_await edge.record();
  CHECK_CONTAINS(record, "Status: 200");
  edge.handler.feeds.at(0)->end();
  record = co_await edge.reply();
  UNTIL(edge.handler.ended != 0);
  CHECK_EQ(edge.handler.path_left, "");
  CHECK_EQ(edge.handler.agent_left, std::string(256, 'u'));
}
