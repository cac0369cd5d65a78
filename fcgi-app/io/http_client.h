// Calls to others over HTTP: libcurl's multi interface on the reactor, connections kept and reused, HTTP/2 where the
// other side has it. (curl is included in http_client.cc alone.)
//
// A request's body is a list of views sent as they stand (one of up to 16 KB is copied), so that an image goes from the
// client's body to the provider without a copy; what they look into must live until send() returns. A cancelled send()
// aborts the call. Redirects are not followed; only http and https are spoken. An encoding (gzip, say) is not asked
// for, and undone where it is used all the same. Large replies share a bound: one that grows over 1 MB waits, where 256
// MB are taken by others, until one of them has ended. Names are looked up on curl's threads, one a connection, which
// nothing here waits for: where a name server is silent the call fails at its connect_timeout, and its thread ends by
// itself when the C library gives up (resolv.conf(5): timeout, attempts).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/reactor.h"

namespace plugfleet {

struct HttpRequest {
  std::string url;
  std::string unix_socket;             // where the server listens, instead of at the url's host
  std::string proxy;                   // another than the client's
  std::vector<std::string> headers;    // "Name: value"
  std::vector<std::string_view> body;  // POST where there is one, else GET
  Clock::duration timeout = 60s;       // from start to last byte
  Clock::duration connect_timeout = 5s;
  std::size_t reply_max = 1024 * 1024;  // of its body, decoded
  std::string trace;                    // for the log
};

struct HttpReply {
  int status = 0;  // 0 where `unread` and not even that is known
  std::string body;
  std::string unread;  // why there is no body: how the sentence about the reply ends. Empty: it is there, whole
  std::optional<std::chrono::seconds> retry_after;  // RFC 9110 section 10.2.3
};

class HttpClient {
 public:
  // `kept_connections`: how many idle connections are held for reuse. `proxy`: http://[USER:PASSWORD@]HOST:PORT; loopback is
  // reached without it. Empty: none.
  HttpClient(Reactor& reactor, std::size_t kept_connections, std::string proxy = {});
  ~HttpClient();

  // Throws Failure: provider_timeout, or provider_error where no whole reply came. One that came and is over reply_max,
  // has headers of over 64 KB or an encoding that nobody knows is `unread`.
  Async<HttpReply> send(HttpRequest request);

  std::size_t in_flight() const;
  std::size_t room() const;    // bytes that large replies may still take
  std::size_t paused() const;  // large replies that wait for it

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plugfleet
