#include "wire/reply.h"

#include <fmt/format.h>

namespace plugfleet {

Reply json(int status, const Json& value) { return {.status = status, .body = value.dump()}; }

Reply text(int status, std::string body, std::string content_type) {
  return {.status = status, .body = std::move(body), .content_type = std::move(content_type)};
}

Reply error_reply(const Failure& failure, std::string_view request_id) {
  const KindInfo& kind = info(failure.kind());
  ErrorBody body{.error = std::string(kind.code), .message = failure.message(), .request_id = std::string(request_id)};
  std::string wait;
  if (kind.status == 429 || kind.status == 503) {
    const auto seconds =
        std::chrono::ceil<std::chrono::seconds>(failure.retry_after().value_or(std::chrono::seconds(1)));
    body.retry_after = seconds.count();
    wait = std::to_string(seconds.count());
  }
  if (!failure.details().empty()) {
    body.details.emplace();
    for (const Detail& detail : failure.details()) body.details->push_back({detail.field, detail.message});
  }
  Reply reply = json(kind.status, body);
  if (!wait.empty()) reply.headers.emplace_back("Retry-After", wait);
  return reply;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

std::string cgi_header(const Reply& reply) {
  std::string out;
  out.reserve(256);
  out.append("Status: ").append(fmt::format_int(reply.status).c_str()).append(" ").append(reason_phrase(reply.status));
  const bool has_body = reply.status != 204 && reply.status != 304;  // RFC 9110 section 8.6: not even a length
  if (has_body) out.append("\r\nContent-Type: ").append(reply.content_type);
  if (has_body && !reply.stream) out.append("\r\nContent-Length: ").append(fmt::format_int(reply.body.size()).c_str());
  out.append("\r\n");
  for (const auto& [name, value] : reply.headers) {
    if (value.find_first_of("\r\n") != value.npos || name.find_first_of("\r\n: ") != name.npos) continue;
    out.append(name).append(": ").append(value).append("\r\n");
  }
  out += "\r\n";
  return out;
}

}  // namespace plugfleet
