// The edge: accepts nginx's FastCGI connections on a shared listening socket and serves their requests, one after
// another on a connection, many connections at once. io/fastcgi_connection.h draws the states of one.
//
// 1. The process never closes a kept connection first: nginx would fail the POST that it just sent there. On drain()
//    it stops accepting and serves what still comes until nginx closes (its keepalive_time bounds that).
// 2. A body is read as fast as its handler takes it: unasked, kEarlyBodyMax bytes are held and then reading pauses.
// 3. A reply is written once STDIN has ended; what nobody asked for is thrown away meanwhile, for body_timeout at most.
// 4. What has a body is begun a little at a time, after what is ready: a GET does not wait behind the work of a burst.
// 5. A client that leaves (nginx closes the connection, or sends ABORT) cancels its handler.
// 6. Nothing here blocks; a peer that takes nothing for write_timeout (a stream's: stream_patience) is cut off.
// 7. A stream lasts until its owner ends it, the client leaves, or drain() ends it: request_timeout does not count. Its
//    owner's closed() is called once, and never from within opened() or the sink's functions. While it is idle, the
//    edge and its handler keep no more of it than a few KB.
#pragma once

#include <deque>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "io/reactor.h"
#include "wire/fastcgi.h"
#include "wire/reply.h"

namespace plugfleet {

class FastcgiConnection;

inline constexpr std::size_t kEarlyBodyMax = 64 * 1024;

// One request, as the edge hands it over. It lives until FastcgiHandler::finished has returned.
class Incoming {
 public:
  std::string_view param(std::string_view name) const { return params_[name]; }
  std::string params(std::string_view name) const { return params_.joined(name); }
  std::size_t content_length() const { return content_length_; }
  Clock::time_point started() const { return started_; }

  // The whole body, followed by kJsonPadding readable bytes; asked for at most once. Throws Failure: payload_too_large
  // over `max`, request_timeout where it stops coming.
  Async<std::string_view> body(std::size_t max);

  // The next part of a body that is worked on as it comes; empty at its end. At most kEarlyBodyMax wait unread, however
  // large the body is. Throws Failure as body() does; not to be mixed with it.
  Async<std::string> body_part(std::size_t max);

  // Forgets the parameters but these (literals), of each of which the first 256 bytes stay. Views taken before are bad.
  void keep_only(std::initializer_list<std::string_view> names);

  // How much of a stream has been written so far.
  std::size_t streamed() const { return streamed_; }

  // What the handler keeps with the request: its log line's route, user and the like.
  std::shared_ptr<void> attachment;

 private:
  friend class FastcgiConnection;
  FastcgiConnection* connection_ = nullptr;
  FastcgiParams params_;
  std::size_t content_length_ = 0, streamed_ = 0;
  Clock::time_point started_;
};

class FastcgiHandler {
 public:
  virtual ~FastcgiHandler() = default;
  virtual Async<Reply> serve(Incoming& incoming) = 0;
  // The reply for what serve() threw.
  virtual Reply failed(Incoming& incoming, std::exception_ptr failure) = 0;
  // The reply has been handed to the kernel, a stream has ended, or the client was gone before.
  virtual void finished(Incoming& incoming, const Reply& reply) = 0;
};

struct FastcgiOptions {
  int connections_max = 8192;
  Clock::duration request_timeout = 120s;
  Clock::duration write_timeout = 60s;
  Clock::duration body_timeout = 30s;
  Clock::duration stream_patience = 10s;
};

class FastcgiServer {
 public:
  // Listens on `fd`, which stays the caller's.
  FastcgiServer(Reactor& reactor, int fd, FastcgiHandler& handler, FastcgiOptions options);
  ~FastcgiServer();

  // Stops accepting and ends the streams, those too that are still to come; `drained` is called when the last
  // connection is gone. After `deadline` the requests that are left are answered 503, for a second at most, and cut
  // off.
  void drain(Clock::duration deadline, std::function<void()> drained);
  std::size_t connections() const { return connections_.size(); }

 private:
  friend class FastcgiConnection;
  void accept_some();
  bool accept_one();
  void begin_in_turn(std::weak_ptr<FastcgiConnection> connection);
  void begin_some();
  void check_deadlines();
  void end_drain();
  void closed(const std::shared_ptr<FastcgiConnection>& connection);

  Reactor& reactor_;
  FastcgiHandler& handler_;
  FastcgiOptions options_;
  int fd_;
  FdWatch listening_;
  Timer accept_pause_, drain_deadline_, deadlines_, next_turn_;
  std::deque<std::weak_ptr<FastcgiConnection>> to_begin_;
  std::function<void()> drained_;
  std::unordered_set<std::shared_ptr<FastcgiConnection>> connections_;
};

}  // namespace plugfleet
