// What a handler answers with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "wire/fields.h"
#include "wire/json.h"

namespace plugfleet {

// Where the edge takes a streamed body's parts.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Never waits. A client that takes less than it is sent for too long loses its stream: closed() follows.
  virtual void write(std::string_view part) = 0;
  // The body is complete. closed() follows when all of it has been sent.
  virtual void end() = 0;
};

// A body that is written in parts as they come, an event stream say. The edge sends the reply's header and calls
// opened(); from then until closed() returns whoever owns the stream may write to `sink`.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  virtual void opened(BodySink& sink) = 0;
  // Once: after end(), or because the client left, was too slow, or the process is draining; never from within opened()
  // or the sink's functions. A stream that was never opened (HEAD, the client gone before) is destroyed without it.
  virtual void closed() = 0;
};

struct Reply {
  int status = 200;
  std::string body;
  std::shared_ptr<BodyStream> stream;  // where it is set `body` is empty, and no Content-Length is sent
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;

  Reply&& with(std::string name, std::string value) && {
    headers.emplace_back(std::move(name), std::move(value));
    return std::move(*this);
  }
};

Reply json(int status, const Json& value);
template <class T>
  requires requires(T value, FieldWriter& f) { value.fields(f); }
Reply json(int status, const T& value) {
  return json(status, write_fields(value));
}
Reply text(int status, std::string body, std::string content_type = "text/plain; charset=utf-8");

// Every error's body, nginx's too (conf/nginx/site.conf): the contract's "Common".
struct ErrorBody {
  struct Wrong {
    std::string field, message;
    void fields(auto& f) {
      f("field", field);
      f("message", message);
    }
  };
  std::string error, message, request_id;
  std::optional<std::int64_t> retry_after;  // seconds
  std::optional<std::vector<Wrong>> details;
  void fields(auto& f) {
    f("error", error, one_of(error_codes()));
    f("message", message);
    f("requestId", request_id);
    f("retryAfter", retry_after, left_out());
    f("details", details, left_out());
  }
};

// With its status and Retry-After.
Reply error_reply(const Failure& failure, std::string_view request_id);

std::string_view reason_phrase(int status);

// The reply's CGI header section (RFC 3875 section 6.3), the empty line included. Header values with a line break in
// them are left out: they could forge another header.
std::string cgi_header(const Reply& reply);

}  // namespace plugfleet
