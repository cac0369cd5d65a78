#include "host/dispatch.h"

#include <malloc.h>

#include <vector>

#include "support/async.h"
#include "support/check.h"
#include "support/served.h"

using namespace plugfleet;

// Without Redis and PostgreSQL: what dispatch does by itself, and how it does without them.

namespace {

struct Named {
  std::string name;
  void fields(auto& f) { f("name", name, length(1, 5)); }
};

Async<Reply> greet(Call& call) {
  const Named named = co_await call.json<Named>();
  co_return text(200, "hello " + named.name).with("X-Mine", "1");
}
Async<Reply> show(Call& call, std::int64_t id) {
  co_return text(200, std::to_string(id) + " " + call.query("q").value_or("-"));
}
Async<Reply> fault(Call&) { throw std::runtime_error("a secret detail"); }
Async<Reply> wait(Call&) {
  co_await sleep_for(60s);
  co_return text(200, "");
}

// A stream that has no more to say.
struct Idle : BodyStream {
  static inline std::size_t open = 0;
  void opened(BodySink& sink) override {
    ++open;
    sink.write("retry: 2000\n\n");
  }
  void closed() override { --open; }
};
Async<Reply> events(Call&) { co_return Reply{.stream = std::make_shared<Idle>(), .content_type = "text/event-stream"}; }

Async<Reply> plain(Call&) { co_return text(200, "plain"); }

Async<Reply> show_client(Call& call) { co_return text(200, call.client_key()); }

struct Fleet : test::Served {
  explicit Fleet(Reactor& reactor)
      : Served(reactor, {{"REQUESTS_IN_FLIGHT_MAX", "1"},
                         {"REQUESTS_PER_MINUTE", "2000"},
                         {"JWT_ALG", "HS256"},
                         {"JWT_SECRET", std::string(32, 's')},
                         {"JWT_ISSUER", "i"},
                         {"JWT_AUDIENCE", "a"}}) {
    add_routes({{Method::POST, "/greet", greet, {.limit = per_client(3, 1min), .body_max = 100}},
                {Method::GET, "/show/{id}", show, {}},
                {Method::GET, "/fault", fault, {}},
                {Method::GET, "/wait", wait, {}},
                {Method::GET, "/events", events, {}},
                {Method::GET, "/mine", fault, {.auth = Auth::required}},
                {Method::GET, "/perhaps", show_client, {.auth = Auth::optional}},
                {Method::GET, "/plain", plain, {}},
                {Method::GET, "/well", plain, {.limited = false}},
                {Method::GET, "/events/few", plain, {.limit = per_client(1, 1min), .streams = true}}});
  }
};

std::string rate_limit(std::string_view reply) {
  std::string said;
  for (const char* name : {"RateLimit-Limit: ", "RateLimit-Remaining: "}) {
    const std::size_t at = reply.find(name);
    if (at == reply.npos) return said + "none";
    const std::size_t begin = at + std::string_view(name).size();
    said.append(reply.substr(begin, reply.find('\r', begin) - begin)).append(" ");
  }
  return said;
}

}  // namespace

ASYNC_TEST(a_request_reaches_its_handler_and_its_headers_come_back) {
  Fleet fleet(reactor);
  std::string reply = co_await fleet.ask("POST", "/greet", R"({"name":"Ann"})");
  CHECK_CONTAINS(reply, "hello Ann");
  CHECK_CONTAINS(reply, "X-Mine: 1\r\n");
  CHECK_CONTAINS(reply, "RateLimit-Limit: 3\r\n");
  CHECK_CONTAINS(reply, "RateLimit-Remaining: 2\r\n");
  reply = co_await fleet.ask("GET", "/show/12", "", {{"QUERY_STRING", "q=a%20b"}});
  CHECK_CONTAINS(reply, "12 a b");
}

ASYNC_TEST(what_is_not_there_is_told_from_what_is_not_for_this_method) {
  Fleet fleet(reactor);
  std::string reply = co_await fleet.ask("GET", "/nothing");
  CHECK_CONTAINS(reply, "Status: 404");
  CHECK_CONTAINS(reply, R"("requestId":"trace-7")");
  reply = co_await fleet.ask("DELETE", "/greet");
  CHECK_CONTAINS(reply, "Status: 405");
  CHECK_CONTAINS(reply, "Allow: POST\r\n");
  reply = co_await fleet.ask("GET", "/show/twelve");
  CHECK_CONTAINS(reply, "Status: 404");
}

ASYNC_TEST(wrong_bodies_are_refused_each_with_its_status) {
  Fleet fleet(reactor);
  std::string reply = co_await fleet.ask("POST", "/greet", R"({"name":"too long"})");
  CHECK_CONTAINS(reply, "Status: 422");
  CHECK_CONTAINS(reply, R"("field":"name")");
  reply = co_await fleet.ask("POST", "/greet", "{broken");
  CHECK_CONTAINS(reply, "Status: 400");
  reply = co_await fleet.ask("POST", "/greet", R"({"name":"x"})", {{"CONTENT_TYPE", "text/plain"}});
  CHECK_CONTAINS(reply, "Status: 415");
}

ASYNC_TEST(a_body_with_an_encoding_is_refused_naming_it) {
  Fleet fleet(reactor);
  std::string reply =
      co_await fleet.ask("POST", "/greet", R"({"name":"Ann"})", {{"HTTP_CONTENT_ENCODING", "Identity"}});
  CHECK_CONTAINS(reply, "hello Ann");
  reply = co_await fleet.ask("POST", "/greet", "\x1f\x8b", {{"HTTP_CONTENT_ENCODING", "gzip"}});
  CHECK_CONTAINS(reply, "Status: 415");
  CHECK_CONTAINS(reply, "Content-Encoding: gzip\"");
}

ASYNC_TEST(a_body_over_the_routes_bound_is_refused_before_it_is_read) {
  Fleet fleet(reactor);
  const std::string reply = co_await fleet.ask("POST", "/greet", std::string(101, 'x'));
  CHECK_CONTAINS(reply, "Status: 413");
}

ASYNC_TEST(one_too_many_is_told_when_to_come_back) {
  Fleet fleet(reactor);
  std::string reply;
  for (int i = 0; i < 4; ++i) reply = co_await fleet.ask("POST", "/greet", R"({"name":"Ann"})");
  CHECK_CONTAINS(reply, "Status: 429");
  CHECK_CONTAINS(reply, "Retry-After: ");
  CHECK_CONTAINS(reply, "RateLimit-Remaining: 0\r\n");
}

ASYNC_TEST(every_route_says_what_is_left_and_those_without_a_limit_of_their_own_share_one) {
  Fleet fleet(reactor);
  std::string reply = co_await fleet.ask("GET", "/plain");
  CHECK_EQ(rate_limit(reply), "2000 1999 ");
  CHECK_CONTAINS(reply, "RateLimit-Reset: ");
  reply = co_await fleet.ask("GET", "/show/1");
  CHECK_EQ(rate_limit(reply), "2000 1998 ");
  reply = co_await fleet.ask("POST", "/greet", "{broken");
  CHECK_EQ(rate_limit(reply), "3 2 ");
  reply = co_await fleet.ask("GET", "/fault");
  CHECK_EQ(rate_limit(reply), "2000 1997 ");
  reply = co_await fleet.ask("GET", "/well");
  CHECK_EQ(rate_limit(reply), "none");
}

ASYNC_TEST(one_client_is_whoever_has_the_ipv6_network_or_the_ipv4_address_however_it_is_written) {
  Fleet fleet(reactor);
  for (const auto& [address, left] : {std::pair("2001:db8:1:2::1", 2),
                                      {"2001:db8:1:2:ffff::9", 1},
                                      {"2001:db8:1:3::1", 2},
                                      {"203.0.113.5", 2},
                                      {"::ffff:203.0.113.5", 1},
                                      {"::ffff:cb00:7105", 0},
                                      {"203.0.113.6", 2}}) {
    const std::string reply = co_await fleet.ask("POST", "/greet", "{broken", {{"REMOTE_ADDR", address}});
    CHECK_CONTAINS(reply, fmt::format("RateLimit-Remaining: {}\r\n", left));
  }
}

ASYNC_TEST(a_stream_that_resumes_is_counted_and_never_refused) {
  Fleet fleet(reactor);
  std::string reply = co_await fleet.ask("GET", "/events/few");
  CHECK_CONTAINS(reply, "Status: 200");
  for (int i = 0; i < 3; ++i) {
    reply = co_await fleet.ask("GET", "/events/few", "", {{"HTTP_LAST_EVENT_ID", "4"}});
    CHECK_CONTAINS(reply, "Status: 200");
    CHECK_CONTAINS(reply, "RateLimit-Remaining: 0\r\n");
  }
  reply = co_await fleet.ask("GET", "/events/few");
  CHECK_CONTAINS(reply, "Status: 429");
  for (int i = 0; i < 4; ++i) reply = co_await fleet.ask("POST", "/greet", "{", {{"HTTP_LAST_EVENT_ID", "4"}});
  CHECK_CONTAINS(reply, "Status: 429");
}

ASYNC_TEST(a_fault_is_a_500_that_tells_nothing) {
  Fleet fleet(reactor);
  const std::string reply = co_await fleet.ask("GET", "/fault");
  CHECK_CONTAINS(reply, "Status: 500");
  CHECK(reply.find("secret detail") == std::string::npos);
}

ASYNC_TEST(who_must_be_somebody_and_is_nobody_is_refused) {
  Fleet fleet(reactor);
  std::string reply = co_await fleet.ask("GET", "/mine");
  CHECK_CONTAINS(reply, "Status: 401");
  CHECK_CONTAINS(reply, "WWW-Authenticate: Bearer\r\n");
  reply = co_await fleet.ask("GET", "/perhaps");
  CHECK_CONTAINS(reply, "addr:10.0.0.1");
  reply = co_await fleet.ask("GET", "/perhaps", "", {{"HTTP_AUTHORIZATION", "Bearer nonsense"}});
  CHECK_CONTAINS(reply, "Status: 401");
  CHECK_CONTAINS(reply, "WWW-Authenticate: Bearer error=\"invalid_token\", error_description=\"");
}

ASYNC_TEST(over_the_bound_of_requests_in_flight_the_answer_is_503_at_once) {
  Fleet fleet(reactor);
  Fleet& same = fleet;
  const TaskPtr waiting = reactor.spawn([](Fleet& f) -> Async<void> { co_await f.ask("GET", "/wait"); }(same));
  UNTIL(fleet.dispatch->in_flight() > 0);
  test::Edge second(reactor);
  second.serve(*fleet.dispatch);
  co_await second.send(test::request_bytes(1, {{"REQUEST_METHOD", "GET"}, {"DOCUMENT_URI", "/show/1"}}, "", true));
  const std::string reply = co_await second.reply();
  CHECK_CONTAINS(reply, "Status: 503");
  CHECK_CONTAINS(reply, "Retry-After: 1\r\n");
  second.end();
  fleet.edge.hang_up();
  UNTIL(fleet.dispatch->in_flight() == 0);
  waiting->cancel(Failure(FailureKind::cancelled, "the test is over"));
  UNTIL(waiting->ended());
}

ASYNC_TEST(a_stream_is_not_in_flight_and_is_counted_when_it_ends) {
  Fleet fleet(reactor);
  co_await fleet.edge.send(test::request_bytes(1, {{"REQUEST_METHOD", "GET"}, {"DOCUMENT_URI", "/events"}}, "", true));
  std::string record = co_await fleet.edge.record();
  CHECK_CONTAINS(record, "Status: 200");
  CHECK_EQ(fleet.dispatch->in_flight(), 0);
  CHECK_EQ(fleet.dispatch->served(), 0);
  CHECK_EQ(gauge("plugfleet_streams").value(), 1);
  test::Peer other(fleet.edge.path());  // at most one may be in flight here
  co_await other.send(test::request_bytes(1, {{"REQUEST_METHOD", "GET"}, {"DOCUMENT_URI", "/show/1"}}, "", true));
  record = co_await other.reply();
  CHECK_CONTAINS(record, "Status: 200");
  fleet.edge.hang_up();
  UNTIL(fleet.dispatch->served() >= 2);
  CHECK_EQ(fleet.dispatch->in_flight(), 0);
  CHECK_EQ(gauge("plugfleet_streams").value(), 0);
}

ASYNC_TEST(an_idle_stream_costs_less_than_eight_kilobytes) {
  constexpr int kStreams = 1000;
  Fleet fleet(reactor);
  const std::string request = test::request_bytes(1,
                                                  {{"REQUEST_METHOD", "GET"},
                                                   {"DOCUMENT_URI", "/events"},
                                                   {"REMOTE_ADDR", "10.0.0.1"},
                                                   {"HTTP_USER_AGENT", std::string(120, 'u')},
                                                   {"HTTP_COOKIE", std::string(4000, 'c')}},
                                                  "", true);
  std::vector<test::Peer> peers;
  peers.reserve(kStreams);
  const std::size_t before = ::mallinfo2().uordblks;  // under a sanitizer always 0
  for (int i = 0; i < kStreams; ++i) {
    peers.emplace_back(fleet.edge.path());
    co_await peers.back().send(request);
    UNTIL(Idle::open >= peers.size());
  }
  const std::size_t each = (::mallinfo2().uordblks - before) / kStreams;
  CHECK(each < 8192);
  for (test::Peer& peer : peers) peer.hang_up();
  UNTIL(fleet.dispatch->served() >= kStreams);
}
