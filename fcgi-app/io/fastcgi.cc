#include "io/fastcgi.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <vector>

#include "base/log.h"
#include "io/fastcgi_stream.h"
#include "io/send_now.h"

namespace plugfleet {
namespace {

constexpr std::size_t kReadSize = 128 * 1024;
constexpr int kAcceptsATurn = 128;                  // few turns for a burst; the rest is for who shares the socket
constexpr auto kBeginFor = 50us;                    // a turn, but at least one
constexpr int kReadsATurn = 8;                      // then other connections get theirs
constexpr std::size_t kCopiedReplyMax = 16 * 1024;  // smaller replies are copied into one write
constexpr std::size_t kPiecesAWrite = 64;
constexpr auto kDeadlinesEvery = 100ms;
constexpr auto kLastAnswersFor = 1s;  // once a drain's time is over
constexpr auto kAcceptPause = 100ms;  // out of descriptors: trying again at once would spin
constexpr std::size_t kKeptParamMax = 256;

// One for the process: a connection reads into it and hands on what it read before another can.
std::array<char, kReadSize> read_buffer;

}  // namespace

class FastcgiConnection : public std::enable_shared_from_this<FastcgiConnection> {
 public:
  FastcgiConnection(FastcgiServer& server, int fd)
      : server_(server),
        fd_(fd),
        parser_({.begin = [this](FastcgiParams params) { begin(std::move(params)); },
                 .body = [this](std::string_view part) { body_part(part); },
                 .end = [this] { body_ended(); },
                 .abort = [this] { client_left(); }}),
        watch_(std::make_unique<FdWatch>(server.reactor_, fd, [this] { readable(); }, [this] { writable(); })) {
    watch_->want_read(true);
  }

  ~FastcgiConnection() {
    watch_.reset();
    ::close(fd_);
  }

  void readable() {
    const auto self = shared_from_this();
    for (int turn = 0; turn < kReadsATurn && !closed_; ++turn) {
      const auto got = ::recv(fd_, read_buffer.data(), read_buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (got <= 0) return close();
      if (!parser_.feed({read_buffer.data(), static_cast<std::size_t>(got)})) {
        log(Severity::warning, "fastcgi_broken", {{"why", parser_.fault()}});
        return close();
      }
      if (paused() || static_cast<std::size_t>(got) < read_buffer.size()) break;
    }
    if (!closed_ && paused()) watch_->want_read(false);
  }

  void close(Failure why = Failure(Kind::cancelled, "the client left")) {
    if (std::exchange(closed_, true)) return;
    watch_->want_read(false);
    watch_->want_write(false);
    const auto self = shared_from_this();
    if (task_ && !task_->ended()) {
      task_->cancel(std::move(why));  // handler_ended() follows
    } else {
      finish(std::move(why));
    }
    server_.closed(self);
  }

  // The drain's time is over: a request that is served still is answered so, and then the connection ends. Whether
  // there was one.
  bool end_drain() {
    if (!incoming_ || stream_ || closed_) return close(), false;
    closing_ = true;
    if (reply_) return false;
    task_ ? task_->cancel(drain_is_over()) : close(drain_is_over());
    return true;
  }

  static Failure drain_is_over() {
    return Failure(Kind::unavailable, "this process ends, and the request took longer than it could wait")
        .retry_after(1s);
  }

  // Looked at a few times a second by the server: a timer for every request would cost more than the request.
  bool late(Clock::time_point now) const {
    if (stream_) return stream_->stuck(now, server_.options_.stream_patience);
    return incoming_ && now >= deadline_;
  }

  void cut_off() {
    if (task_) {
      task_->cancel(Failure(Kind::request_timeout, "the request took too long"));
    } else {
      close();
    }
  }

  void end_stream() {
    if (stream_) stream_->end();
  }

  void serve() {
    task_ = server_.reactor_.spawn(
        run(), [self = shared_from_this()](std::exception_ptr failure) { self->handler_ended(std::move(failure)); });
  }

  Async<std::string_view> take_body(std::size_t max) {
    refuse_over(incoming_->content_length_, max);
    body_max_ = max;
    wants_body_ = true;
    body_.reserve(incoming_->content_length_ + kJsonPadding);
    watch_->want_read(true);
    while (!stdin_ended_) {
      co_await wait_for_progress();
      refuse_over(body_.size(), max);
    }
    body_.reserve(body_.size() + kJsonPadding);
    co_return std::string_view(body_);
  }

  Async<std::string> take_part(std::size_t max) {
    refuse_over(incoming_->content_length_, max);
    while (body_.empty() && !stdin_ended_) co_await wait_for_progress();
    taken_ += body_.size();
    refuse_over(taken_, max);
    watch_->want_read(true);
    co_return std::exchange(body_, {});
  }

 private:
  static void refuse_over(std::size_t size, std::size_t max) {
    if (size > max)
      throw Failure(Kind::payload_too_large, fmt::format("the body is over the {} bytes taken here", max));
  }

  Async<void> wait_for_progress() {
    Waiter progress;
    struct Forget {
      Waiter*& pointer;
      ~Forget() { pointer = nullptr; }
    } const forget{body_progress_ = &progress};
    const bool came = co_await progress.wait_for(server_.options_.body_timeout);
    if (!came) throw Failure(Kind::request_timeout, "the body stopped coming");
  }

  // ---- reading ----

  bool paused() const {
    return incoming_ && !stdin_ended_ && !wants_body_ && !discarding_ && body_.size() > kEarlyBodyMax;
  }

  void begin(FastcgiParams params) {
    if (incoming_) return close();  // nginx sends nothing before it has our answer
    incoming_.emplace();
    incoming_->connection_ = this;
    incoming_->params_ = std::move(params);
    incoming_->started_ = Clock::now();
    const std::string_view length = incoming_->param("CONTENT_LENGTH");
    std::from_chars(length.data(), length.data() + length.size(), incoming_->content_length_);
    stdin_ended_ = wants_body_ = discarding_ = false;
    taken_ = 0;
    deadline_ = incoming_->started_ + server_.options_.request_timeout;
    if (incoming_->content_length_ == 0) return serve();
    server_.begin_in_turn(weak_from_this());
  }

  void body_part(std::string_view part) {
    if (discarding_) return;
    // One byte over its bound is enough for take_body to see, and no more of it is kept.
    if (wants_body_) part = part.substr(0, body_max_ + 1 - std::min(body_.size(), body_max_ + 1));
    body_.append(part);
    if (body_progress_ && (!wants_body_ || body_.size() > body_max_)) body_progress_->resume();
  }

  void body_ended() {
    stdin_ended_ = true;
    if (body_progress_) body_progress_->resume();
    if (reply_) write_reply();
  }

  void client_left() { close(); }

  // ---- serving ----

  Async<void> run() { result_ = co_await server_.handler_.serve(*incoming_); }

  void handler_ended(std::exception_ptr failure) {
    task_.reset();
    reply_ = failure ? server_.handler_.failed(*incoming_, std::move(failure)) : std::move(result_);
    if (closed_) return finish();
    discarding_ = true;
    free_body();
    if (stdin_ended_) return write_reply();
    deadline_ = Clock::now() + server_.options_.body_timeout;
    watch_->want_read(true);
  }

  // ---- writing ----

  void write_reply() {
    if (reply_->stream && incoming_->param("REQUEST_METHOD") != "HEAD") return open_stream();
    const std::uint16_t id = parser_.request_id();
    std::string head = cgi_header(*reply_);
    pieces_.clear();
    owned_.clear();
    if (reply_->body.size() <= kCopiedReplyMax) {
      head += reply_->body;
      std::string& all = owned_.emplace_back();
      all.reserve(head.size() + 64);
      append_stdout(all, id, head);
      append_end(all, id);
      pieces_.push_back(all);
    } else {
      append_stdout(owned_.emplace_back(), id, head);
      pieces_.push_back(owned_.back());
      for (std::string_view rest = reply_->body; !rest.empty();) {
        const std::string_view part = rest.substr(0, kFastcgiContentMax);
        pieces_.push_back(owned_.emplace_back(stdout_header(id, part.size())));
        pieces_.push_back(part);
        rest.remove_prefix(part.size());
      }
      append_end(owned_.emplace_back(), id);
      pieces_.push_back(owned_.back());
    }
    writable();
  }

  void writable() {
    if (stream_) return stream_writable();
    while (!pieces_.empty() && !closed_) {
      std::array<iovec, kPiecesAWrite> parts;
      const std::size_t count = std::min(pieces_.size(), parts.size());
      for (std::size_t i = 0; i < count; ++i) parts[i] = {const_cast<char*>(pieces_[i].data()), pieces_[i].size()};
      const auto sent = send_now(fd_, std::span(parts).first(count));
      if (!sent) return close();
      if (*sent == 0) {
        deadline_ = Clock::now() + server_.options_.write_timeout;
        return watch_->want_write(true);
      }
      take_off(*sent);
    }
    if (!closed_) written();
  }

  void take_off(std::size_t sent) {
    while (sent > 0) {
      std::string_view& first = pieces_.front();
      const std::size_t part = std::min(sent, first.size());
      first.remove_prefix(part);
      sent -= part;
      if (first.empty()) pieces_.pop_front();
    }
  }

  // ---- streaming ----

  void open_stream() {
    stream_ = std::make_unique<FastcgiStream>(fd_, parser_.request_id(), cgi_header(*reply_), [this] { changed(); });
    reply_->stream->opened(*stream_);
    if (server_.drained_) stream_->end();
    stream_writable();
  }

  void stream_writable() {
    stream_->flush();
    if (stream_->over()) return stream_over();
    watch_->want_write(stream_->waiting());
  }

  // Called from within the owner's write() or end(): what ends the stream must wait until the owner has returned.
  void changed() {
    if (!stream_->over()) return watch_->want_write(stream_->waiting());
    server_.reactor_.later([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->stream_ && self->stream_->over()) self->stream_over();
    });
  }

  void stream_over() {
    const auto self = shared_from_this();
    if (stream_->broken()) return close();
    written();
  }

  void close_stream() {
    stream_->give_up();
    incoming_->streamed_ = stream_->written();
    reply_->stream->closed();
    stream_.reset();
  }

  void written() {
    watch_->want_write(false);
    finish();
    if (closing_ || !parser_.keep_connection()) close();
  }

  void finish(Failure why = Failure(Kind::cancelled, "the client left")) {
    if (!incoming_) return;
    if (stream_) close_stream();
    if (!reply_) reply_ = server_.handler_.failed(*incoming_, std::make_exception_ptr(std::move(why)));
    server_.handler_.finished(*incoming_, *reply_);
    incoming_.reset();
    reply_.reset();
    pieces_.clear();
    owned_.clear();
    free_body();
  }

  void free_body() {
    if (body_.capacity() > kEarlyBodyMax) body_ = {};
    body_.clear();
  }

  FastcgiServer& server_;
  const int fd_;
  FastcgiParser parser_;
  std::unique_ptr<FdWatch> watch_;
  Clock::time_point deadline_;  // of the handler, then of STDIN's end, then of each wait for the peer to take some
  bool closed_ = false, closing_ = false;  // closing_: after the request being served

  // The request being served.
  std::optional<Incoming> incoming_;
  TaskPtr task_;
  std::string body_;
  std::size_t body_max_ = 0, taken_ = 0;
  Waiter* body_progress_ = nullptr;
  bool stdin_ended_ = false, wants_body_ = false, discarding_ = false;
  Reply result_;  // the handler's, until its task has ended
  std::optional<Reply> reply_;
  std::unique_ptr<FastcgiStream> stream_;
  std::deque<std::string> owned_;  // a deque: views into its strings stay good
  std::deque<std::string_view> pieces_;
};

void Incoming::keep_only(std::initializer_list<std::string_view> names) {
  const auto kept_value = [this](std::string_view name) { return param(name).substr(0, kKeptParamMax); };
  std::size_t size = 0;
  for (const std::string_view name : names) size += kept_value(name).size();
  FastcgiParams kept;
  kept.bytes.reserve(size);  // so that views into it stay good
  kept.list.reserve(names.size());
  for (const std::string_view name : names) {
    const std::string_view value = kept_value(name);
    const char* const at = kept.bytes.data() + kept.bytes.size();
    kept.bytes.insert(kept.bytes.end(), value.begin(), value.end());
    kept.list.emplace_back(name, std::string_view(at, value.size()));
  }
  params_ = std::move(kept);
}

Async<std::string_view> Incoming::body(std::size_t max) { return connection_->take_body(max); }
Async<std::string> Incoming::body_part(std::size_t max) { return connection_->take_part(max); }

FastcgiServer::FastcgiServer(Reactor& reactor, int fd, FastcgiHandler& handler, FastcgiOptions options)
    : reactor_(reactor),
      handler_(handler),
      options_(options),
      fd_(fd),
      listening_(reactor, fd, [this] { accept_some(); }, {}),
      accept_pause_(reactor),
      drain_deadline_(reactor),
      deadlines_(reactor),
      next_turn_(reactor) {
  // Another process may take the connection between our waking and our accept4.
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  listening_.want_read(true);
}

FastcgiServer::~FastcgiServer() = default;

void FastcgiServer::accept_some() {
  for (int left = kAcceptsATurn; left > 0 && accept_one(); --left) {
  }
}

// Whether there may be another to accept.
bool FastcgiServer::accept_one() {
  if (drained_) return false;
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      log(Severity::error, "accept_failed", {{"errno", errno}});
      listening_.want_read(false);
      accept_pause_.arm(kAcceptPause, [this] {
        if (!drained_) listening_.want_read(true);
      });
    }
    return false;
  }
  // Over TCP: no waiting to fill a packet, and what a host that was cut off left behind ends. Refused by a unix socket.
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const auto connection = std::make_shared<FastcgiConnection>(*this, fd);
  connections_.insert(connection);
  if (!deadlines_.armed()) check_deadlines();
  connection->readable();  // its request has mostly come with it
  if (static_cast<int>(connections_.size()) < options_.connections_max) return true;
  listening_.want_read(false);
  return false;
}

void FastcgiServer::begin_in_turn(std::weak_ptr<FastcgiConnection> connection) {
  to_begin_.push_back(std::move(connection));
  if (!next_turn_.armed()) next_turn_.arm(0s, [this] { begin_some(); });
}

// Of those that are still there.
void FastcgiServer::begin_some() {
  const auto until = Clock::now() + kBeginFor;
  while (!to_begin_.empty() && Clock::now() < until) {
    const auto connection = to_begin_.front().lock();
    to_begin_.pop_front();
    if (connection) connection->serve();
  }
  if (!to_begin_.empty()) next_turn_.arm(0s, [this] { begin_some(); });
}

void FastcgiServer::check_deadlines() {
  const auto now = Clock::now();
  std::vector<std::shared_ptr<FastcgiConnection>> late;  // cutting one off may close it
  for (const auto& connection : connections_) {
    if (connection->late(now)) late.push_back(connection);
  }
  for (const auto& connection : late) connection->cut_off();
  if (!connections_.empty()) deadlines_.arm(kDeadlinesEvery, [this] { check_deadlines(); });
}

void FastcgiServer::closed(const std::shared_ptr<FastcgiConnection>& connection) {
  connections_.erase(connection);
  if (drained_) {
    if (connections_.empty()) std::exchange(drained_, {})();
  } else if (static_cast<int>(connections_.size()) < options_.connections_max) {
    listening_.want_read(true);
  }
}

void FastcgiServer::drain(Clock::duration deadline, std::function<void()> drained) {
  listening_.want_read(false);
  drained_ = std::move(drained);
  for (const auto& connection : connections_) connection->end_stream();
  if (connections_.empty())
    return reactor_.later([this] {
      if (drained_) std::exchange(drained_, {})();
    });
  drain_deadline_.arm(deadline, [this] { end_drain(); });
}

void FastcgiServer::end_drain() {
  drain_deadline_.arm(kLastAnswersFor, [this] {
    const auto all = connections_;
    for (const auto& connection : all) connection->close(FastcgiConnection::drain_is_over());
  });
  const auto all = connections_;
  const auto cut_off = std::ranges::count_if(all, [](const auto& connection) { return connection->end_drain(); });
  log(Severity::warning, "drain_over", {{"cutOff", cut_off}});
}

}  // namespace plugfleet
