// hiredis 0.14.1 as a parser.
#include "io/redis_link.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/ids.h"
#include "base/log.h"

namespace plugfleet {
namespace {

constexpr Clock::duration kBackoffMin = 50ms, kBackoffMax = 2s;
constexpr std::size_t kPieceMax = 64 * 1024;  // small commands share a piece up to this size

RedisReply converted(const redisReply& reply) {
  using Type = RedisReply::Type;
  const auto text = [&] { return std::string(reply.str, reply.len); };
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      return {.type = Type::integer, .integer = reply.integer, .text = {}, .items = {}};
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      return {.type = Type::string, .integer = 0, .text = text(), .items = {}};
    case REDIS_REPLY_ERROR:
      return {.type = Type::error, .integer = 0, .text = text(), .items = {}};
    case REDIS_REPLY_ARRAY: {
      RedisReply array{.type = Type::array, .integer = 0, .text = {}, .items = {}};
      array.items.reserve(reply.elements);
      for (std::size_t i = 0; i < reply.elements; ++i) array.items.push_back(converted(*reply.element[i]));
      return array;
    }
    default:
      return {};
  }
}

}  // namespace

RedisLink::RedisLink(Reactor& reactor, RedisOptions options)
    : reactor_(reactor), options_(std::move(options)), backoff_(reactor), next_backoff_(kBackoffMin) {
  if (options_.socket_path.size() >= sizeof(sockaddr_un::sun_path)) {  // hiredis would cut it
    throw Failure(Kind::internal, fmt::format("the path of Redis's socket is too long: {}", options_.socket_path));
  }
  std::signal(SIGPIPE, SIG_IGN);
}

void RedisLink::connect() {
  context_ = redisConnectUnixNonBlock(options_.socket_path.c_str());
  if (!context_) return drop("out of memory");
  if (context_->err) return drop(context_->errstr);
  fcntl(context_->fd, F_SETFD, FD_CLOEXEC);
  watch_.emplace(reactor_, context_->fd, [this] { read(); }, [this] { flush(); });
  watch_->want_read(true);
  opened();
}

void RedisLink::close() {
  closed_ = true;
  backoff_.disarm();
  if (context_) drop({});
}

void RedisLink::settled() {
  next_backoff_ = kBackoffMin;
  if (std::exchange(told_, false)) log(Severity::info, "redis_available", {{"socket", options_.socket_path}});
}

void RedisLink::drop(std::string why) {
  watch_.reset();
  out_.clear();
  sent_ = 0;
  redisFree(std::exchange(context_, nullptr));
  lost();
  if (closed_) return;
  if (!std::exchange(told_, true)) {
    log(Severity::warning, "redis_unavailable", {{"socket", options_.socket_path}, {"why", why}});
  }
  const auto jitter = Clock::duration(random_u64() % static_cast<std::uint64_t>(next_backoff_.count() / 2));
  backoff_.arm(next_backoff_ - jitter, [this] { connect(); });
  next_backoff_ = std::min(2 * next_backoff_, kBackoffMax);
}

// RESP (redis.io, "Redis serialization protocol"): an array of bulk strings.
void RedisLink::write(const std::vector<std::string>& words) {
  append(fmt::format("*{}\r\n", words.size()));
  for (const std::string& word : words) {
    append(fmt::format("${}\r\n", word.size()));
    append(word);
    append("\r\n");
  }
  flush_soon();
}

void RedisLink::write_set(std::string_view key, std::string_view value, std::chrono::seconds ttl) {
  const std::string seconds = std::to_string(ttl.count());
  append(fmt::format("*5\r\n$3\r\nSET\r\n${}\r\n{}\r\n${}\r\n", key.size(), key, value.size()));
  append(value);
  append(fmt::format("\r\n$2\r\nEX\r\n${}\r\n{}\r\n", seconds.size(), seconds));
  flush_soon();
}

void RedisLink::append(std::string_view part) {
  if (out_.empty() || out_.back().size() + part.size() > kPieceMax) out_.emplace_back();
  out_.back() += part;
}

void RedisLink::flush_soon() {
  if (std::exchange(flush_posted_, true)) return;
  reactor_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->flush_posted_ = false;
    if (self->context_) self->flush();
  });
}

void RedisLink::flush() {
  while (!out_.empty()) {
    const std::string& piece = out_.front();
    const auto taken = ::send(context_->fd, piece.data() + sent_, piece.size() - sent_, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN && errno != EINTR) return drop(std::strerror(errno));
    sent_ += static_cast<std::size_t>(std::max<ssize_t>(taken, 0));
    if (sent_ < piece.size()) break;
    out_.pop_front();
    sent_ = 0;
  }
  watch_->want_write(!out_.empty());
}

bool RedisLink::read() {
  const auto self = shared_from_this();  // take() may end everything
  const std::size_t unparsed = context_->reader->len;
  if (redisBufferRead(context_) != REDIS_OK) return drop(context_->errstr), true;
  const bool heard = context_->reader->len != unparsed;
  while (context_) {
    void* reply = nullptr;
    if (redisGetReplyFromReader(context_, &reply) != REDIS_OK) return drop(context_->errstr), true;
    if (!reply) break;
    const std::unique_ptr<void, decltype(&freeReplyObject)> owned(reply, freeReplyObject);
    take(converted(*static_cast<redisReply*>(reply)));
  }
  return heard;
}

}  // namespace plugfleet
