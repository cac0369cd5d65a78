#include "wire/reply.h"

#include "support/check.h"

using namespace plugfleet;

TEST(an_error_has_the_contracts_shape) {
  const Reply reply = error_reply(
      Failure(FailureKind::unprocessable, "id is missing").details({{"layers[3].id", "is missing"}}), "trace-1");
  CHECK_EQ(reply.status, 422);
  CHECK_EQ(
      reply.body,
      R"({"error":"unprocessable","message":"id is missing","requestId":"trace-1","details":[{"field":"layers[3].id","message":"is missing"}]})");
}

TEST(a_wait_is_told_in_whole_seconds_rounded_up) {
  const Reply reply =
      error_reply(Failure(FailureKind::rate_limited, "slow").retry_after(std::chrono::milliseconds(1200)), "t");
  CHECK_CONTAINS(reply.body, "\"retryAfter\":2");
  CHECK_CONTAINS(cgi_header(reply), "Retry-After: 2\r\n");
  CHECK_CONTAINS(cgi_header(error_reply(Failure(FailureKind::unavailable, "down"), "t")), "Retry-After: 1\r\n");
}

TEST(a_header_cannot_forge_another) {
  const std::string header = cgi_header(text(200, "x").with("X-A", "b\r\nSet-Cookie: c").with("X-B", "fine"));
  CHECK(header.find("Set-Cookie") == std::string::npos);
  CHECK_CONTAINS(header, "X-B: fine\r\n");
  CHECK(header.ends_with("\r\n\r\n"));
}

TEST(a_streams_header_tells_no_length) {
  struct Endless : BodyStream {
    void opened(BodySink&) override {}
    void closed() override {}
  };
  Reply reply{.stream = std::make_shared<Endless>(), .content_type = "text/event-stream"};
  CHECK_EQ(cgi_header(reply), "Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
}

TEST(a_reply_without_content_says_nothing_of_its_length_or_type) {
  CHECK_EQ(cgi_header({.status = 204}), "Status: 204 No Content\r\n\r\n");
  CHECK_EQ(cgi_header({.status = 304}), "Status: 304 Not Modified\r\n\r\n");
}
