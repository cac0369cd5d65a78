#include "io/http_client.h"

#include <atomic>
#include <thread>

#include "support/async.h"
#include "support/check.h"
#include "support/http_server.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

Async<FailureKind> kind_of(HttpClient& client, HttpRequest request) {
  try {
    co_await client.send(std::move(request));
  } catch (const Failure& failure) {
    co_return failure.kind();
  }
  test::fail("it succeeded");
}

Async<void> send_and_forget(HttpClient& client, HttpRequest request) { co_await client.send(std::move(request)); }

Async<void> send_into(HttpClient& client, HttpRequest request, HttpReply& reply) {
  reply = co_await client.send(std::move(request));
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (; hex.size() > 1; hex.remove_prefix(2))
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(0, 2)), nullptr, 16));
  return bytes;
}

}  // namespace

ASYNC_TEST(a_body_of_pieces_arrives_as_one) {
  Server server(answer("200 OK", "fine"));
  HttpClient client(reactor, 4);
  for (const std::size_t size : {1, 16'382, 16'383, 300'000}) {
    const std::string middle(size, 'v');
    const HttpReply reply =
        co_await client.send({.url = server.url, .headers = {"X-A: b"}, .body = {"<", middle, ">"}});
    CHECK_EQ(reply.status, 200);
    CHECK_EQ(reply.body, "fine");
    CHECK(server.last.ends_with("\r\n\r\n<" + middle + ">"));
    CHECK_CONTAINS(server.last, "X-A: b\r\n");
    CHECK(server.last.find("Expect:") == std::string::npos);
  }
}

ASYNC_TEST(a_body_is_sent_anew_where_a_kept_connection_ends) {
  Server server(answer("200 OK", "fine"));
  server.answers_a_connection = 1;
  HttpClient client(reactor, 4);
  const std::string large(300'000, 'v');
  for (const std::string_view middle : {std::string_view("small"), std::string_view(large)}) {
    for (int i = 0; i < 2; ++i) {
      const HttpReply reply = co_await client.send({.url = server.url, .body = {"<", middle, ">"}});
      CHECK_EQ(reply.body, "fine");
      CHECK(server.last.ends_with(fmt::format("\r\n\r\n<{}>", middle)));
    }
  }
  CHECK_EQ(server.connections.load(), 4);
  CHECK_EQ(server.requests.load(), 7);  // four answered, three not
}

ASYNC_TEST(connections_are_kept_and_used_again) {
  Server server(answer("200 OK", "x"));
  HttpClient client(reactor, 4);
  for (int i = 0; i < 5; ++i) co_await client.send({.url = server.url});
  CHECK_EQ(server.requests.load(), 5);
  CHECK_EQ(server.connections.load(), 1);
  CHECK_EQ(client.in_flight(), 0u);
}

ASYNC_TEST(an_error_status_is_a_reply_with_the_wait_it_asks_for) {
  Server server(answer("429 Too Many", "slow", "Retry-After: 7\r\n"));
  HttpClient client(reactor, 4);
  const HttpReply reply = co_await client.send({.url = server.url});
  CHECK_EQ(reply.status, 429);
  CHECK(reply.retry_after == std::chrono::seconds(7));
}

ASYNC_TEST(a_wait_that_is_absurd_is_a_day) {
  for (const char* wait : {"86401", "10000000000", "99999999999999999999999"}) {
    Server server(answer("503 Out", "slow", fmt::format("Retry-After: {}\r\n", wait)));
    HttpClient client(reactor, 4);
    const HttpReply reply = co_await client.send({.url = server.url});
    CHECK(reply.retry_after == std::chrono::hours(24));
  }
}

ASYNC_TEST(a_reply_over_its_bound_is_cut_off_and_its_status_known) {
  Server server(answer("503 Out", std::string(50'000, 'x'), "Retry-After: 7\r\n"));
  HttpClient client(reactor, 4);
  const HttpReply reply = co_await client.send({.url = server.url, .reply_max = 49'999});
  CHECK_EQ(reply.status, 503);
  CHECK_EQ(reply.body, "");
  CHECK_EQ(reply.unread, "is larger than allowed");
  CHECK(reply.retry_after == std::chrono::seconds(7));
  const HttpReply whole = co_await client.send({.url = server.url, .reply_max = 50'000});
  CHECK_EQ(whole.body.size(), 50'000u);
  CHECK_EQ(whole.unread, "");
}

ASYNC_TEST(an_encoding_is_not_asked_for_and_undone_all_the_same) {
  Server server(answer("200 OK", from_hex("1f8b08000000000002034bcbcc4b05009254a9be04000000"),  // "fine"
                       "Content-Encoding: gzip\r\n"));
  HttpClient client(reactor, 4);
  const HttpReply reply = co_await client.send({.url = server.url});
  CHECK_EQ(reply.body, "fine");
  CHECK_CONTAINS(server.last, "Accept-Encoding: identity\r\n");
}

ASYNC_TEST(a_replys_bound_holds_once_it_is_decoded) {
  Server server(answer("200 OK",
                       from_hex("1f8b0800000000000203edc1010d000000c2a0da8f6f0f0714" + std::string(96, '0') +
                                "4f06da1feeb550c30000"),  // 50'000 times an x
                       "Content-Encoding: gzip\r\n"));
  HttpClient client(reactor, 4);
  const HttpReply whole = co_await client.send({.url = server.url, .reply_max = 50'000});
  CHECK_EQ(whole.body, std::string(50'000, 'x'));
  const HttpReply cut = co_await client.send({.url = server.url, .reply_max = 49'999});
  CHECK_EQ(cut.unread, "is larger than allowed");
}

ASYNC_TEST(an_encoding_that_nobody_knows_or_that_is_broken_leaves_no_body) {
  for (const char* encoding : {"aes128gcm", "gzip"}) {
    Server server(answer("200 OK", "fine", fmt::format("Content-Encoding: {}\r\n", encoding)));
    HttpClient client(reactor, 4);
    const HttpReply reply = co_await client.send({.url = server.url});
    CHECK_EQ(reply.status, 200);
    CHECK_EQ(reply.body, "");
    CHECK_EQ(reply.unread, "has an encoding that cannot be undone");
  }
}

ASYNC_TEST(a_replys_headers_are_bounded_in_many_lines_and_in_one) {
  std::string many;
  for (int i = 0; i < 1200; ++i) many += fmt::format("X-{}: {}\r\n", i, std::string(90, 'x'));
  for (const std::string& headers :
       {many, "X-A: " + std::string(70'000, 'x') + "\r\n", "X-A: " + std::string(120'000, 'x') + "\r\n"}) {
    Server server(answer("200 OK", "fine", headers));
    HttpClient client(reactor, 4);
    const HttpReply reply = co_await client.send({.url = server.url});
    CHECK_EQ(reply.status, 200);
    CHECK_EQ(reply.unread, "has more than 64 KB of headers");
  }
  Server server(answer("200 OK", "fine", "X-A: " + std::string(60'000, 'x') + "\r\n"));
  HttpClient client(reactor, 4);
  const HttpReply reply = co_await client.send({.url = server.url});
  CHECK_EQ(reply.body, "fine");
}

// Two that may take half of the room each, and do not end.
ASYNC_TEST(a_large_reply_waits_for_room_and_a_small_one_does_not) {
  constexpr std::size_t kHalf = 128 * 1024 * 1024;
  const std::string two_megabytes(2 * 1024 * 1024, 'x');
  Server slow("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + two_megabytes);
  Server slower("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + two_megabytes);
  Server large(answer("200 OK", two_megabytes)), small(answer("200 OK", "fine"));
  HttpClient client(reactor, 4);
  const TaskPtr first = reactor.spawn(send_and_forget(client, {.url = slow.url, .reply_max = kHalf}));
  const TaskPtr second = reactor.spawn(send_and_forget(client, {.url = slower.url, .reply_max = kHalf}));
  UNTIL(client.room() == 0);
  HttpReply waiting;
  const TaskPtr third = reactor.spawn(send_into(client, {.url = large.url, .reply_max = kHalf}, waiting));
  UNTIL(client.paused() == 1);
  const HttpReply passing = co_await client.send({.url = small.url, .reply_max = kHalf});
  CHECK_EQ(passing.body, "fine");
  CHECK(!third->ended());
  first->cancel(Failure(FailureKind::cancelled, "the client left"));
  UNTIL(third->ended());
  CHECK(waiting.body == two_megabytes);
  second->cancel(Failure(FailureKind::cancelled, "the client left"));
  UNTIL(second->ended());
}

ASYNC_TEST(a_large_reply_that_gets_no_room_ends_at_its_timeout) {
  constexpr std::size_t kAll = 256 * 1024 * 1024;
  const std::string two_megabytes(2 * 1024 * 1024, 'x');
  Server slow("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + two_megabytes);
  Server large(answer("200 OK", two_megabytes));
  HttpClient client(reactor, 4);
  const TaskPtr first = reactor.spawn(send_and_forget(client, {.url = slow.url, .reply_max = kAll}));
  UNTIL(client.room() == 0);
  const HttpReply reply = co_await client.send({.url = large.url, .timeout = 2s, .reply_max = kAll});
  CHECK_EQ(reply.unread, "is large, and no memory was free for it");
  CHECK_EQ(client.paused(), 0u);
  first->cancel(Failure(FailureKind::cancelled, "the client left"));
  UNTIL(first->ended());
}

ASYNC_TEST(a_reply_cut_short_is_an_error_not_an_answer) {
  Server server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nshort");
  HttpClient client(reactor, 4);
  const FailureKind kind = co_await kind_of(client, {.url = server.url, .timeout = 300ms});
  CHECK(kind == FailureKind::provider_timeout || kind == FailureKind::provider_error);
}

ASYNC_TEST(silence_ends_at_the_timeout) {
  Server server("");
  HttpClient client(reactor, 4);
  const FailureKind kind = co_await kind_of(client, {.url = server.url, .timeout = 50ms});
  CHECK(kind == FailureKind::provider_timeout);
}

ASYNC_TEST(nobody_there_is_an_error_at_once) {
  HttpClient client(reactor, 4);
  const FailureKind kind = co_await kind_of(client, {.url = "http://127.0.0.1:1/x"});
  CHECK(kind == FailureKind::provider_error);
}

ASYNC_TEST(only_http_is_spoken) {
  HttpClient client(reactor, 4);
  const FailureKind kind = co_await kind_of(client, {.url = "file:///etc/passwd"});
  CHECK(kind == FailureKind::provider_error);
}

ASYNC_TEST(a_proxy_is_asked_for_what_is_not_on_this_machine) {
  Server proxy(answer("200 OK", "by the proxy")), here(answer("200 OK", "from here"));
  HttpClient client(reactor, 4);
  const std::string address = proxy.url.substr(0, proxy.url.rfind('/'));
  const std::string with_password = "http://ada:p%40ss@" + address.substr(7);
  const HttpReply reply = co_await client.send({.url = "http://provider.invalid/x", .proxy = with_password});
  CHECK_EQ(reply.body, "by the proxy");
  CHECK(proxy.last.starts_with("GET http://provider.invalid/x HTTP/1.1\r\n"));
  CHECK_CONTAINS(proxy.last, "Proxy-Authorization: Basic YWRhOnBAc3M=\r\n");
  const HttpReply direct = co_await client.send({.url = here.url, .proxy = address});
  CHECK_EQ(direct.body, "from here");
  CHECK_EQ(proxy.requests.load(), 1);
}

ASYNC_TEST(https_goes_through_a_proxy_by_connect_and_shows_it_nothing) {
  Server proxy(answer("403 Forbidden", "no"));
  HttpClient client(reactor, 4);
  const std::string address = proxy.url.substr(0, proxy.url.rfind('/'));
  const FailureKind kind = co_await kind_of(
      client, {.url = "https://provider.invalid/x", .proxy = address, .headers = {"Authorization: Bearer the-key"}});
  CHECK(kind == FailureKind::provider_error);
  CHECK(proxy.last.starts_with("CONNECT provider.invalid:443 HTTP/1.1\r\n"));
  CHECK(!proxy.last.contains("the-key"));
}

ASYNC_TEST(the_environments_proxy_is_not_heeded) {
  Server proxy(answer("200 OK", "by the proxy"));
  ::setenv("http_proxy", proxy.url.c_str(), 1);
  HttpClient client(reactor, 4);
  const FailureKind kind = co_await kind_of(client, {.url = "http://provider.invalid/x", .connect_timeout = 200ms});
  ::unsetenv("http_proxy");
  CHECK(kind == FailureKind::provider_error || kind == FailureKind::provider_timeout);  // it was looked up here
  CHECK_EQ(proxy.requests.load(), 0);
}

ASYNC_TEST(a_cancelled_call_is_hung_up) {
  Server server("");
  HttpClient client(reactor, 4);
  const TaskPtr task = reactor.spawn(send_and_forget(client, {.url = server.url}));
  UNTIL(server.requests > 0);
  task->cancel(Failure(FailureKind::cancelled, "the client left"));
  UNTIL(server.left > 0);
  CHECK(task->ended());
  CHECK_EQ(client.in_flight(), 0u);
}
