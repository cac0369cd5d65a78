// Redis through hiredis 0.14.1, which knows no timeouts, no reconnection and no event loop of ours.
//
//   R1  pending_ holds what was sent over context_ and not answered, oldest first; a reply belongs to the front.
//   R2  A context dies in closed() and nowhere else: hiredis calls it (ev.cleanup) however the end came about. Then
//       context_ is null, the watch has let go of the descriptor, and everything pending has failed.
//   R3  hiredis calls back only out of a watch, a timer or a posted flush, never out of submit(); and no caller's code
//       runs inside a hiredis callback, because Waiter::resume only posts. So nobody finds a context half dead.
//   R4  The first thing sent over a context is PING; only its PONG makes the connection connected. Until then commands
//       are sent (behind the PING) on the very first attempt, and refused on later ones.
//   R5  When the oldest command is late the context is freed: what it left in the pipe can answer no one else.
//
//            connect()                  PONG
//     down ------------> greeting ----------------> connected
//      ^                    | no PONG in time, error    | late reply, EOF, error
//      +------ backoff -----+---------------------------+
//
// Facts of hiredis 0.14.1 (async.c) relied on: freeing a context runs the callbacks of what is pending with a null
// reply (ignored here: closed() has the list), then ev.cleanup, then closes the descriptor; redisAsyncFree inside a
// reply's callback is put off until that callback has returned; a write that was cut short asks for addWrite again.
#include "io/redis.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <deque>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "base/log.h"

namespace plugfleet {
namespace {

constexpr Clock::duration kBackoffMin = 50ms, kBackoffMax = 2s;

// Error replies that speak of Redis's state, not of the command (redis.io, "RESP protocol", and Redis's server.c).
constexpr std::array kPassing = {"LOADING",    "READONLY", "MASTERDOWN", "BUSY",       "OOM",
                                 "NOREPLICAS", "MISCONF",  "TRYAGAIN",   "CLUSTERDOWN"};

Failure unavailable() {
  return Failure(Kind::unavailable, "not available right now, try again shortly").retry_after(1s);
}

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

// ---- The connection ----------------------------------------------------------------------------------------------

class Redis::Connection : public std::enable_shared_from_this<Redis::Connection> {
 public:
  struct Pending {
    Waiter waiter;
    Clock::time_point deadline;
    std::optional<RedisReply> reply;  // none when the waiter is resumed: the connection was lost
  };
  using PendingPtr = std::shared_ptr<Pending>;

  Connection(Reactor& reactor, RedisOptions options)
      : reactor_(reactor), options_(std::move(options)), oldest_(reactor), backoff_(reactor) {}

  void connect();
  void close();
  bool connected() const { return connected_; }

  PendingPtr submit(const std::vector<std::string>& words);
  // Gives the reply on, or throws what an error reply means.
  RedisReply checked(std::string_view command, RedisReply reply);

 private:
  PendingPtr send(const std::vector<std::string>& words, Clock::duration timeout);
  void drop(std::string why);
  void closed();
  void retry_later(std::string_view why);
  void take(const redisReply& reply);
  void watch_oldest();
  void check_oldest();
  void want_write();
  void flush();

  Reactor& reactor_;
  const RedisOptions options_;

  redisAsyncContext* context_ = nullptr;
  std::optional<FdWatch> watch_;
  std::deque<PendingPtr> pending_;
  Timer oldest_;  // looks at the front of pending_; armed while anything is there
  bool flush_posted_ = false, flushing_ = false;

  bool connected_ = false, first_attempt_ = true, closing_ = false;
  std::string why_;  // why we drop the context ourselves
  Timer backoff_;
  Clock::duration next_backoff_ = kBackoffMin;
  bool told_ = false;    // one line for an outage, not one for each attempt
  std::string refusal_;  // the passing error that was logged last
};

void Redis::Connection::connect() {
  context_ = redisAsyncConnectUnix(options_.socket_path.c_str());
  if (!context_ || context_->err) {
    const std::string why = context_ ? context_->errstr : "out of memory";
    if (context_) redisAsyncFree(std::exchange(context_, nullptr));  // no hooks yet: closed() is not called
    first_attempt_ = false;
    return retry_later(why);
  }
  fcntl(context_->c.fd, F_SETFD, FD_CLOEXEC);
  watch_.emplace(reactor_, context_->c.fd, [this] { redisAsyncHandleRead(context_); }, [this] { flush(); });
  auto& hooks = context_->ev;
  hooks.data = this;
  hooks.addRead = [](void* self) { static_cast<Connection*>(self)->watch_->want_read(true); };
  hooks.delRead = [](void* self) { static_cast<Connection*>(self)->watch_->want_read(false); };
  hooks.addWrite = [](void* self) { static_cast<Connection*>(self)->want_write(); };
  hooks.delWrite = [](void* self) { static_cast<Connection*>(self)->watch_->want_write(false); };
  hooks.cleanup = [](void* self) { static_cast<Connection*>(self)->closed(); };
  send({"PING"}, options_.connect_timeout);
}

void Redis::Connection::close() {
  closing_ = true;
  backoff_.disarm();
  if (context_) redisAsyncFree(context_);
}

void Redis::Connection::drop(std::string why) {
  why_ = std::move(why);
  redisAsyncFree(context_);
}

void Redis::Connection::closed() {
  const std::string why = why_.empty() ? context_->c.errstr : std::exchange(why_, {});
  context_ = nullptr;
  watch_.reset();
  oldest_.disarm();
  connected_ = first_attempt_ = false;
  for (const auto& pending : std::exchange(pending_, {})) pending->waiter.resume();
  if (!closing_) retry_later(why);
}

void Redis::Connection::retry_later(std::string_view why) {
  if (!std::exchange(told_, true)) {
    log(Severity::warning, "redis_unavailable", {{"socket", options_.socket_path}, {"why", why}});
  }
  const auto jitter = Clock::duration(random_u64() % static_cast<std::uint64_t>(next_backoff_.count() / 2));
  backoff_.arm(next_backoff_ - jitter, [this] { connect(); });
  next_backoff_ = std::min(2 * next_backoff_, kBackoffMax);
}

Redis::Connection::PendingPtr Redis::Connection::submit(const std::vector<std::string>& words) {
  if (!context_ || !(connected_ || first_attempt_) || pending_.size() >= options_.pending_max) throw unavailable();
  return send(words, options_.command_timeout);
}

Redis::Connection::PendingPtr Redis::Connection::send(const std::vector<std::string>& words, Clock::duration timeout) {
  const auto on_reply = [](redisAsyncContext*, void* reply, void* self) {
    if (reply) static_cast<Connection*>(self)->take(*static_cast<redisReply*>(reply));
  };
  std::vector<const char*> data;
  std::vector<std::size_t> sizes;
  for (const auto& word : words) data.push_back(word.data()), sizes.push_back(word.size());
  auto pending = std::make_shared<Pending>();
  pending->deadline = Clock::now() + timeout;
  if (redisAsyncCommandArgv(context_, on_reply, this, static_cast<int>(words.size()), data.data(), sizes.data()) !=
      REDIS_OK) {
    throw unavailable();
  }
  pending_.push_back(pending);
  if (!oldest_.armed()) watch_oldest();
  return pending;
}

void Redis::Connection::take(const redisReply& reply) {
  const PendingPtr pending = std::move(pending_.front());
  pending_.pop_front();
  if (!connected_) {
    if (reply.type != REDIS_REPLY_STATUS) return drop({reply.str, reply.len});  // loading, or too many clients
    connected_ = true;
    first_attempt_ = false;
    next_backoff_ = kBackoffMin;
    refusal_.clear();
    oldest_.disarm();  // it was armed for the PING, whose timeout may be the longer one
    if (!pending_.empty()) watch_oldest();
    if (std::exchange(told_, false)) log(Severity::info, "redis_available", {{"socket", options_.socket_path}});
  }
  if (pending.use_count() == 1) return;  // whoever asked has left
  pending->reply = converted(reply);
  pending->waiter.resume();
}

// Not moved on with every reply: when it fires for one that was answered it looks for the next.
void Redis::Connection::watch_oldest() {
  oldest_.arm(pending_.front()->deadline - Clock::now(), [this] { check_oldest(); });
}

void Redis::Connection::check_oldest() {
  const auto late = [this] { return !pending_.empty() && pending_.front()->deadline <= Clock::now(); };
  // It may be this process that was late: everything that has come is read before Redis is blamed.
  while (late()) {
    const PendingPtr front = pending_.front();
    const auto unparsed = context_->c.reader->len;
    redisAsyncHandleRead(context_);
    if (late() && pending_.front() == front && context_->c.reader->len == unparsed) return drop("no reply in time");
  }
  if (!pending_.empty()) watch_oldest();
}

// Commands of one turn leave in one write. Only a write that was cut short waits for the descriptor.
void Redis::Connection::want_write() {
  if (flushing_) return watch_->want_write(true);
  if (std::exchange(flush_posted_, true)) return;
  reactor_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->flush_posted_ = false;
    if (self->context_) self->flush();
  });
}

void Redis::Connection::flush() {
  flushing_ = true;
  redisAsyncHandleWrite(context_);
  flushing_ = false;
}

RedisReply Redis::Connection::checked(std::string_view command, RedisReply reply) {
  if (reply.type != RedisReply::Type::error) return reply;
  const std::string code = reply.text.substr(0, reply.text.find(' '));
  if (std::ranges::find(kPassing, code) == kPassing.end()) {
    log(Severity::error, "redis_error", {{"command", command}, {"error", reply.text}});
    throw RedisError(std::move(reply.text));
  }
  if (code != std::exchange(refusal_, code)) {
    log(Severity::warning, "redis_refuses", {{"command", command}, {"error", reply.text}});
  }
  throw unavailable();
}

// ---- What callers see --------------------------------------------------------------------------------------------

Redis::Redis(Reactor& reactor, RedisOptions options) {
  if (options.socket_path.size() >= sizeof(sockaddr_un::sun_path)) {  // hiredis would cut it
    throw Failure(Kind::internal, fmt::format("the path of Redis's socket is too long: {}", options.socket_path));
  }
  std::signal(SIGPIPE, SIG_IGN);
  connection_ = std::make_shared<Connection>(reactor, std::move(options));
  connection_->connect();
}

Redis::~Redis() { connection_->close(); }

bool Redis::connected() const { return connection_->connected(); }

Async<RedisReply> Redis::command(std::vector<std::string> words) {
  const auto connection = connection_;
  const auto pending = connection->submit(words);
  co_await pending->waiter.wait();
  if (!pending->reply) throw unavailable();
  co_return connection->checked(words.front(), std::move(*pending->reply));
}

Async<RedisReply> Redis::eval(const RedisScript& script, std::vector<std::string> keys, std::vector<std::string> args) {
  const auto connection = connection_;
  std::vector<std::string> words{"EVALSHA", script.sha1(), std::to_string(keys.size())};
  std::ranges::move(keys, std::back_inserter(words));
  std::ranges::move(args, std::back_inserter(words));
  auto pending = connection->submit(words);
  co_await pending->waiter.wait();
  if (pending->reply && pending->reply->type == RedisReply::Type::error &&
      pending->reply->text.starts_with("NOSCRIPT")) {
    words[0] = "EVAL";
    words[1] = script.text();
    pending = connection->submit(words);
    co_await pending->waiter.wait();
  }
  if (!pending->reply) throw unavailable();
  co_return connection->checked(words.front(), std::move(*pending->reply));
}

std::string sha1_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) fmt::format_to(std::back_inserter(hex), "{:02x}", digest[i]);
  return hex;
}

}  // namespace plugfleet
