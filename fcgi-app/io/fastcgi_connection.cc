#include "io/fastcgi_connection.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace plugfleet {
namespace {

constexpr std::size_t kReadSize = 128 * 1024;
constexpr int kReadsATurn = 8;  // then other connections get theirs

// One for the process: a connection reads into it and hands on what it read before another can.
std::array<char, kReadSize> read_buffer;

void refuse_over(std::size_t size, std::size_t max) {
  if (size > max)
    throw Failure(FailureKind::payload_too_large, fmt::format("the body is over the {} bytes taken here", max));
}

}  // namespace

FastcgiConnection::FastcgiConnection(FastcgiServer& server, int fd)
    : server_(server),
      fd_(fd),
      parser_({.begin = [this](FastcgiParams params) { begin(std::move(params)); },
               .body = [this](std::string_view part) { body_part(part); },
               .end = [this] { body_ended(); },
               .abort = [this] { close(); }}) {
  watch_.emplace(server.reactor_, fd, [this] { readable(); }, [this] { writable(); });
  watch_->want_read(true);
}

FastcgiConnection::~FastcgiConnection() {
  watch_.reset();
  ::close(fd_);
}

// ---- Reading ------------------------------------------------------------------------------------------------------

void FastcgiConnection::readable() {
  const auto self = shared_from_this();
  for (int turn = 0; turn < kReadsATurn && state_ != State::closed; ++turn) {
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
  if (paused()) watch_->want_read(false);
}

bool FastcgiConnection::paused() const {
  return (state_ == State::queued || state_ == State::serving) && stdin_ == Stdin::held && body_.size() > kEarlyBodyMax;
}

void FastcgiConnection::begin(FastcgiParams params) {
  if (state_ != State::idle) return close();  // nginx sends nothing before it has our answer
  assert(!incoming_ && !task_ && !reply_ && !stream_);
  incoming_.emplace();
  incoming_->connection_ = this;
  incoming_->params_ = std::move(params);
  incoming_->started_ = Clock::now();
  incoming_->content_length_ = number_in<std::size_t>(incoming_->param("CONTENT_LENGTH")).value_or(0);
  stdin_ = Stdin::held;
  parts_taken_ = 0;
  deadline_ = incoming_->started_ + server_.options_.request_timeout;
  state_ = State::queued;
  if (incoming_->content_length_ == 0) return serve();
  server_.begin_in_turn(weak_from_this());
}

void FastcgiConnection::body_part(std::string_view part) {
  if (state_ != State::queued && state_ != State::serving) return;  // nobody will ask for it
  const bool all_wanted = stdin_ == Stdin::taken;
  // One byte over its bound is enough for take_body to see, and no more of it is kept.
  if (all_wanted) part = part.substr(0, body_max_ + 1 - std::min(body_.size(), body_max_ + 1));
  body_.append(part);
  if (body_progress_ && (!all_wanted || body_.size() > body_max_)) body_progress_->resume();
}

void FastcgiConnection::body_ended() {
  stdin_ = Stdin::ended;
  if (body_progress_) body_progress_->resume();
  if (state_ == State::draining) send_reply();
}

Async<std::string_view> FastcgiConnection::take_body(std::size_t max) {
  refuse_over(incoming_->content_length_, max);
  body_max_ = max;
  if (stdin_ == Stdin::held) stdin_ = Stdin::taken;
  body_.reserve(incoming_->content_length_ + kJsonPadding);
  watch_->want_read(true);
  while (stdin_ != Stdin::ended && body_.size() <= max) co_await wait_for_progress();
  refuse_over(body_.size(), max);
  body_.reserve(body_.size() + kJsonPadding);
  co_return std::string_view(body_);
}

Async<std::string> FastcgiConnection::take_part(std::size_t max) {
  refuse_over(incoming_->content_length_, max);
  while (body_.empty() && stdin_ != Stdin::ended) co_await wait_for_progress();
  parts_taken_ += body_.size();
  refuse_over(parts_taken_, max);
  watch_->want_read(true);
  co_return std::exchange(body_, {});
}

Async<void> FastcgiConnection::wait_for_progress() {
  Waiter progress;
  struct Forget {
    Waiter*& pointer;
    ~Forget() { pointer = nullptr; }
  } const forget{body_progress_ = &progress};
  const bool came = co_await progress.wait_for(server_.options_.body_timeout);
  if (!came) throw Failure(FailureKind::request_timeout, "the body stopped coming");
}

void FastcgiConnection::free_body() {
  if (body_.capacity() > kEarlyBodyMax) body_ = {};
  body_.clear();
}

// ---- Serving ------------------------------------------------------------------------------------------------------

void FastcgiConnection::serve() {
  assert(state_ == State::queued);
  state_ = State::serving;
  task_ = server_.reactor_.spawn(run_handler(), [self = shared_from_this()](std::exception_ptr failure) {
    self->handler_ended(std::move(failure));
  });
}

Async<void> FastcgiConnection::run_handler() { result_ = co_await server_.handler_.serve(*incoming_); }

void FastcgiConnection::handler_ended(std::exception_ptr failure) {
  assert(state_ == State::serving || state_ == State::closed);
  task_.reset();
  reply_ = failure ? server_.handler_.failed(*incoming_, std::move(failure)) : std::move(result_);
  if (state_ == State::closed) return finish();
  free_body();
  if (stdin_ == Stdin::ended) return send_reply();
  state_ = State::draining;
  deadline_ = Clock::now() + server_.options_.body_timeout;
  watch_->want_read(true);
}

// ---- Writing ------------------------------------------------------------------------------------------------------

void FastcgiConnection::send_reply() {
  if (reply_->stream && incoming_->param("REQUEST_METHOD") != "HEAD") return open_stream();
  state_ = State::writing;
  outgoing_.set(parser_.request_id(), *reply_);
  writable();
}

void FastcgiConnection::writable() {
  if (state_ == State::streaming) return stream_writable();
  assert(state_ == State::writing);
  switch (outgoing_.send(fd_)) {
    case FastcgiReply::Sent::all:
      return written();
    case FastcgiReply::Sent::some:
      deadline_ = Clock::now() + server_.options_.write_timeout;
      return watch_->want_write(true);
    case FastcgiReply::Sent::peer_gone:
      return close();
  }
}

void FastcgiConnection::written() {
  watch_->want_write(false);
  finish();
  state_ = State::idle;
  if (last_ || !parser_.keep_connection()) close();
}

void FastcgiConnection::finish() {
  assert(incoming_ && reply_ && !task_);
  if (stream_) close_stream();
  server_.handler_.finished(*incoming_, *reply_);
  incoming_.reset();
  reply_.reset();
  outgoing_.clear();
  free_body();
}

// ---- Streaming ----------------------------------------------------------------------------------------------------

void FastcgiConnection::open_stream() {
  state_ = State::streaming;
  stream_ =
      std::make_unique<FastcgiStream>(fd_, parser_.request_id(), cgi_header(*reply_), [this] { stream_changed(); });
  reply_->stream->opened(*stream_);
  if (server_.drained_) stream_->end();
  stream_writable();
}

void FastcgiConnection::stream_writable() {
  stream_->flush();
  if (stream_->over()) return stream_over();
  watch_->want_write(stream_->waiting());
}

// Called from within the owner's write() or end(): what ends the stream must wait until the owner has returned.
void FastcgiConnection::stream_changed() {
  if (!stream_->over()) return watch_->want_write(stream_->waiting());
  server_.reactor_.later([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->stream_ && self->stream_->over()) self->stream_over();
  });
}

void FastcgiConnection::stream_over() {
  const auto self = shared_from_this();
  if (stream_->broken()) return close();
  written();
}

void FastcgiConnection::end_stream() {
  if (stream_) stream_->end();
}

void FastcgiConnection::close_stream() {
  stream_->give_up();
  incoming_->streamed_ = stream_->written();
  reply_->stream->closed();
  stream_.reset();
}

// ---- Ending -------------------------------------------------------------------------------------------------------

void FastcgiConnection::close(Failure why) {
  const State was = std::exchange(state_, State::closed);
  if (was == State::closed) return;
  watch_->want_read(false);
  watch_->want_write(false);
  const auto self = shared_from_this();
  if (was == State::serving) {
    task_->cancel(std::move(why));  // handler_ended() follows
  } else if (was != State::idle) {
    if (!reply_) reply_ = server_.handler_.failed(*incoming_, std::make_exception_ptr(std::move(why)));
    finish();
  }
  server_.closed(self);
}

// Looked at a few times a second by the server: a timer for every request would cost more than the request.
bool FastcgiConnection::late(Clock::time_point now) const {
  if (state_ == State::idle || state_ == State::closed) return false;
  if (state_ == State::streaming) return stream_->stuck(now, server_.options_.stream_patience);
  return now >= deadline_;
}

void FastcgiConnection::cut_off() {
  if (state_ != State::serving) return close();
  task_->cancel(Failure(FailureKind::request_timeout, "the request took too long"));
}

Failure FastcgiConnection::drain_is_over() {
  return Failure(FailureKind::unavailable, "this process ends, and the request took longer than it could wait")
      .retry_after(1s);
}

bool FastcgiConnection::end_drain() {
  last_ = true;
  switch (state_) {
    case State::serving:
      task_->cancel(drain_is_over());
      return true;
    case State::queued:
      close(drain_is_over());
      return true;
    case State::draining:
    case State::writing:
      return false;
    case State::idle:
    case State::streaming:
    case State::closed:
      close();
      return false;
  }
}

}  // namespace plugfleet
