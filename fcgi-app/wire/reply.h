// What a handler answers with.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "wire/fields.h"
#include "wire/json.h"

namespace plugfleet {

struct Reply {
  int status = 200;
  std::string body;
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

// {"error", "message", "requestId", "retryAfter"?, "details"?} with its status and Retry-After: the contract's
// "Common".
Reply error_reply(const Failure& failure, std::string_view request_id);

std::string_view reason_phrase(int status);

// The reply's CGI header section (RFC 3875 section 6.3), the empty line included. Header values with a line break in
// them are left out: they could forge another header.
std::string cgi_header(const Reply& reply);

}  // namespace plugfleet
