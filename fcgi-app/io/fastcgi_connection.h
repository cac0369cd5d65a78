// One connection of nginx's, and the request that is served on it. Its states:
//
//           begin()            serve(): at once without a body, else in its turn
//     idle ─────────> queued ────────────────────────────────────────────────────> serving
//      ▲                                                                            │   │
//      │                                 handler_ended(): more of STDIN is to come  │   │ handler_ended()
//      │                                              draining <────────────────────┘   │
//      │                                                 │                              │
//      │                                                 │ body_ended()                 │
//      │                                                 ▼                              ▼
//      │  written()                                  send_reply(): a whole one, or a stream
//      ├──────────────────────────────────────────── writing ──────────────┘    │
//      └────────────────────────────────────────── streaming ───────────────────┘
//
//     any of them ── close(): the peer left, is broken or is cut off, or the last reply is written ──> closed
//
// What holds whenever the reactor waits:
//
//  C1. A request (incoming_) is there in every state but idle, and in closed until its handler has ended.
//  C2. A handler (task_) runs in serving, and in closed until it has ended: it has been cancelled then.
//  C3. A reply (reply_) is there in draining, writing and streaming; a stream (stream_) in streaming alone.
//  C4. FastcgiHandler::finished() is called once for each request, and the request is gone after it.
//  C5. Nothing is read while more of a body waits than its handler has asked for (see Stdin), and nothing is read,
//      written or begun once it is closed.
//  C6. A deadline_ stands in queued, serving (request_timeout), draining (body_timeout) and writing (write_timeout,
//      from each time the peer took nothing); in streaming the stream has its own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/fastcgi.h"
#include "io/fastcgi_reply.h"
#include "io/fastcgi_stream.h"

namespace plugfleet {

class FastcgiConnection : public std::enable_shared_from_this<FastcgiConnection> {
 public:
  // Owns `fd`.
  FastcgiConnection(FastcgiServer& server, int fd);
  ~FastcgiConnection();

  void readable();
  // Runs the handler of the request whose turn has come.
  void serve();

  void close(Failure why = Failure(FailureKind::cancelled, "the client left"));
  // Whether the deadline of the state it is in has passed.
  bool late(Clock::time_point now) const;
  // For being late: a handler is cancelled, so that its client is answered; else the connection is closed.
  void cut_off();
  // Ends a stream as its owner would.
  void end_stream();
  // The drain's time is over: a handler that still runs is answered for with a 503, a reply that is under way goes out,
  // and then the connection ends. Whether a request was cut off.
  bool end_drain();

  static Failure drain_is_over();

  // Incoming's.
  Async<std::string_view> take_body(std::size_t max);
  Async<std::string> take_part(std::size_t max);

 private:
  enum class State { idle, queued, serving, draining, writing, streaming, closed };
  // What has been asked for of the request's body.
  enum class Stdin {
    held,   // nothing yet, or parts of it: reading pauses over kEarlyBodyMax
    taken,  // all of it, up to body_max_: no pause
    ended,  // nothing is left to come
  };

  bool paused() const;
  void begin(FastcgiParams params);
  void body_part(std::string_view part);
  void body_ended();
  Async<void> wait_for_progress();
  void free_body();

  Async<void> run_handler();
  void handler_ended(std::exception_ptr failure);

  void send_reply();
  void writable();
  void written();
  void finish();

  void open_stream();
  void stream_writable();
  void stream_changed();
  void stream_over();
  void close_stream();

  FastcgiServer& server_;
  const int fd_;
  FastcgiParser parser_;
  std::optional<FdWatch> watch_;  // goes before fd_ is closed
  State state_ = State::idle;
  Clock::time_point deadline_;  // C6
  bool last_ = false;           // the connection ends with the request being served

  // The request being served.
  std::optional<Incoming> incoming_;
  TaskPtr task_;
  Stdin stdin_ = Stdin::held;
  std::string body_;  // what of it waits unread
  std::size_t body_max_ = 0, parts_taken_ = 0;
  Waiter* body_progress_ = nullptr;
  Reply result_;  // the handler's, until its task has ended
  std::optional<Reply> reply_;
  FastcgiReply outgoing_;
  std::unique_ptr<FastcgiStream> stream_;
};

}  // namespace plugfleet
