// What others publish, from a server of the test's own. Cited: the invariants of core/published.h.
#include "core/published.h"

#include "base/log.h"
#include "core/jwks.h"
#include "io/parallel.h"
#include "support/async.h"
#include "support/http_server.h"
#include "wire/jwt_tokens.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

struct Asker {
  Asker(Reactor& reactor, const std::string& url)
      : http(reactor, 4), published(reactor, http, url, [](std::string body) {
          if (body == "bad") throw std::runtime_error("it is bad");
          return body;
        }) {
    log_open("/dev/null", Severity::error);
  }

  Async<std::string> get() {
    const auto text = co_await published.get();
    co_return *text;
  }
  Async<std::string> get_anew() {
    const auto text = co_await published.get_anew();
    co_return *text;
  }

  HttpClient http;
  Published<std::string> published;
};

Async<void> count_right(Asker& asker, int& right) {
  const std::string text = co_await asker.get();
  right += text == "one" ? 1 : 0;
}

}  // namespace

ASYNC_TEST(P1_many_who_ask_at_once_are_one_fetch) {
  Server server(answer("200 OK", "one"));
  Asker asker(reactor, server.url);
  int right = 0;
  std::function<Async<void>(std::size_t)> each = [&](std::size_t) { return count_right(asker, right); };
  co_await for_each_parallel(reactor, 20, {.width = 20, .deadline = Clock::now() + 5s}, std::move(each));
  CHECK_EQ(right, 20);
  CHECK_EQ(server.requests.load(), 1);
}

ASYNC_TEST(P2_what_is_known_serves_when_the_other_server_fails) {
  Server server(answer("200 OK", "one"));
  Asker asker(reactor, server.url);
  co_await asker.get();
  for (const char* said : {"bad", ""}) {
    server.say(*said ? answer("200 OK", said) : answer("503 Service Unavailable", "two"));
    const std::string text = co_await asker.get_anew();
    CHECK_EQ(text, "one");
  }
}

ASYNC_TEST(P4_who_doubts_it_has_it_fetched_once_a_minute) {
  Server server(answer("200 OK", "one"));
  Asker asker(reactor, server.url);
  co_await asker.get();
  server.say(answer("200 OK", "two"));
  for (int i = 0; i < 10; ++i) {
    const std::string text = co_await asker.get_anew();
    CHECK_EQ(text, "two");
  }
  CHECK_EQ(server.requests.load(), 2);
}

ASYNC_TEST(P5_nothing_known_is_told_and_not_asked_for_each_time) {
  Server server(answer("404 Not Found", ""));
  Asker asker(reactor, server.url);
  for (int i = 0; i < 3; ++i) {
    const auto failure = co_await failure_of(asker.get());
    CHECK(failure == FailureKind::unavailable);
  }
  CHECK_EQ(server.requests.load(), 1);
}

ASYNC_TEST(a_key_set_is_fetched_for_no_token_of_another_issuer_or_algorithm) {
  Server server(answer("200 OK", set_of(rsa_jwk(rsa(), R"(,"kid":"a")"))));
  HttpClient http(reactor, 4);
  Jwks keys(reactor, http,
            {.algorithm = JwtRules::Algorithm::RS256, .issuer = "https://issuer.example", .audience = "us"},
            server.url);
  for (const char* claims : {R"({"iss":"https://other.example"})", R"({"iss":"https://issuer.example"})"}) {
    const auto said = co_await keys.verify(hs_token(R"({"alg":"HS256"})", claims));
    CHECK(!said);
  }
  CHECK_EQ(server.requests.load(), 0);
  const auto said = co_await keys.verify(
      hs_token(R"({"alg":"RS256","kid":"a"})", R"({"iss":"https://issuer.example","aud":"us","sub":"ada"})"));
  CHECK_EQ(said.error(), "the token's signature is not right");
  CHECK_EQ(server.requests.load(), 1);
  for (int i = 0; i < 5; ++i) {
    const auto unknown = co_await keys.verify(
        hs_token(fmt::format(R"({{"alg":"RS256","kid":"b{}"}})", i), R"({"iss":"https://issuer.example"})"));
    CHECK_EQ(unknown.error(), kJwtKeyUnknown);
  }
  CHECK_EQ(server.requests.load(), 2);
}
