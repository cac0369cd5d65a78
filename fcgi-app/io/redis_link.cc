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

RedisAddress parsed(const std::string& text) {
  auto address = parse_redis_address(text);
  if (!address) throw Failure(FailureKind::internal, fmt::format("this is not an address of a Redis: {}", text));
  if (address->path.size() >= sizeof(sockaddr_un::sun_path)) {  // hiredis would cut it
    throw Failure(FailureKind::internal, fmt::format("the path of Redis's socket is too long: {}", text));
  }
  return std::move(*address);
}

}  // namespace

RedisLink::RedisLink(Reactor& reactor, RedisOptions options)
    : reactor_(reactor),
      options_(std::move(options)),
      address_(parsed(options_.address)),
      timer_(reactor),
      next_backoff_(kBackoffMin) {
  std::signal(SIGPIPE, SIG_IGN);
}

// ---- Connecting --------------------------------------------------------------------------------------------------
//
//             sentinels?              its answer             "master"
//   connect() ----------> asking ------------------> verifying -------> open: opened()
//       |                    ^ \                        /
//       |                    |  `- error, late, no master -> the next sentinel; after the last, drop()
//       `- no sentinels: open

void RedisLink::connect() {
  if (asks_sentinels()) {
    asked_ = 0;
    return ask();
  }
  stage_ = Stage::open;
  if (address_.places.empty()) {
    attach(redisConnectUnixNonBlock(address_.path.c_str()));
  } else {
    attach(redisConnectNonBlock(address_.places[0].host.c_str(), address_.places[0].port));
  }
  if (context_) opened();
}

void RedisLink::ask() {
  dial(address_.places[sentinel_], Stage::asking, {"SENTINEL", "get-master-addr-by-name", address_.master});
}

void RedisLink::dial(const RedisAddress::Place& place, Stage stage, const std::vector<std::string>& question) {
  stage_ = stage;
  attach(redisConnectNonBlock(place.host.c_str(), place.port));
  if (!context_) return;
  write(question);
  timer_.arm(options_.connect_timeout, [this] { drop("no answer in time"); });
}

void RedisLink::attach(redisContext* context) {
  context_ = context;
  if (!context_) return drop("out of memory");
  if (context_->err) return drop(context_->errstr);
  fcntl(context_->fd, F_SETFD, FD_CLOEXEC);
  watch_.emplace(reactor_, context_->fd, [this] { read(); }, [this] { flush(); });
  watch_->want_read(true);
}

void RedisLink::arrived(RedisReply reply) {
  switch (stage_) {
    case Stage::open:
      return take(std::move(reply));
    case Stage::asking: {
      if (reply.items.size() != 2) return drop("the sentinel knows no master of this name");
      const auto place = parse_redis_place(fmt::format("{}:{}", reply.items[0].text, reply.items[1].text));
      if (!place) return drop("the sentinel names no address");
      hang_up();
      return dial(*place, Stage::verifying, {"ROLE"});
    }
    case Stage::verifying:
      if (reply.items.empty() || reply.items[0].text != "master") return drop("it is not a master");
      timer_.disarm();
      stage_ = Stage::open;
      return opened();
  }
}

void RedisLink::hang_up() {
  watch_.reset();
  out_.clear();
  sent_ = 0;
  if (context_) redisFree(std::exchange(context_, nullptr));
}

void RedisLink::close() {
  closed_ = true;
  timer_.disarm();
  if (context_) drop({});
}

void RedisLink::settled() {
  next_backoff_ = kBackoffMin;
  if (std::exchange(told_, false)) log(Severity::info, "redis_available", {{"address", options_.address}});
}

void RedisLink::drop(std::string why) {
  hang_up();
  if (stage_ != Stage::open && !closed_) {
    sentinel_ = (sentinel_ + 1) % address_.places.size();
    if (++asked_ < address_.places.size()) return timer_.arm(0ms, [this] { ask(); });
  }
  lost();
  if (closed_) return;
  if (!std::exchange(told_, true)) {
    log(Severity::warning, "redis_unavailable", {{"address", options_.address}, {"why", why}});
  }
  const auto jitter = Clock::duration(random_u64() % static_cast<std::uint64_t>(next_backoff_.count() / 2));
  timer_.arm(next_backoff_ - jitter, [this] { connect(); });
  next_backoff_ = std::min(2 * next_backoff_, kBackoffMax);
}

// ---- Writing and reading -----------------------------------------------------------------------------------------

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
  reactor_.later([weak = weak_from_this()] {
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
    arrived(converted(*static_cast<redisReply*>(reply)));
  }
  return heard;
}

}  // namespace plugfleet
