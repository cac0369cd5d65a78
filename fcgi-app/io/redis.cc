// Redis.
//
//   R1  pending_ holds what was sent over the connection and not answered, oldest first; a reply belongs to the front.
//   R2  When the connection ends, in lost() and nowhere else, everything pending has failed.
//   R3  No caller's code runs while a connection is read, written or ended: Waiter::resume only posts.
//   R4  The first thing sent over a connection is PING; only its PONG makes it connected. Until then commands are sent
//       (behind the PING) on the very first attempt, and refused on later ones.
//   R5  When the oldest command is late the connection is ended: what it left in the pipe can answer no one else.
//
//            connect()                  PONG
//     down ------------> greeting ----------------> connected
//      ^                    | no PONG in time, error    | late reply, EOF, error
//      +------ backoff -----+---------------------------+
#include "io/redis.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>

#include "base/log.h"
#include "io/redis_link.h"

namespace plugfleet {
namespace {

// Error replies that speak of Redis's state, not of the command (redis.io, "RESP protocol", and Redis's server.c).
constexpr std::array kPassing = {"LOADING",    "READONLY", "MASTERDOWN", "BUSY",       "OOM",
                                 "NOREPLICAS", "MISCONF",  "TRYAGAIN",   "CLUSTERDOWN"};

Failure unavailable() {
  return Failure(FailureKind::unavailable, "not available right now, try again shortly").retry_after(1s);
}

}  // namespace

// ---- The connection ----------------------------------------------------------------------------------------------

struct Redis::Answer {
  Waiter waiter;
  std::optional<RedisReply> reply;  // none when the waiter is resumed: the connection was lost
};

class Redis::Connection : public RedisLink {
 public:
  using AnswerPtr = std::shared_ptr<Answer>;

  Connection(Reactor& reactor, RedisOptions options) : RedisLink(reactor, std::move(options)), oldest_(reactor) {}

  bool connected() const { return connected_; }

  AnswerPtr submit(const std::vector<std::string>& words);
  AnswerPtr submit_set(std::string_view key, std::string_view value, std::chrono::seconds ttl);
  bool send(const std::vector<std::string>& words);
  // Gives the reply on, or throws what an error reply means.
  RedisReply checked(std::string_view command, RedisReply reply);

 private:
  struct Pending {
    Clock::time_point deadline;
    AnswerPtr answer;  // null: nobody waits for it
  };

  void opened() override { send({"PING"}, options_.connect_timeout, nullptr); }
  void take(RedisReply reply) override;
  void lost() override;

  bool has_room(std::size_t most) const { return open() && (connected_ || first_attempt_) && pending_.size() < most; }
  void send(const std::vector<std::string>& words, Clock::duration timeout, AnswerPtr answer);
  void sent(Clock::duration timeout, AnswerPtr answer);
  // Logs an error; true where it passes.
  bool passes(std::string_view command, const std::string& error);
  void watch_oldest();
  void check_oldest();

  std::deque<Pending> pending_;
  Timer oldest_;  // looks at the front of pending_; armed while anything is there
  bool connected_ = false, first_attempt_ = true;
  std::string refusal_;  // the passing error that was logged last
};

Redis::Connection::AnswerPtr Redis::Connection::submit(const std::vector<std::string>& words) {
  if (!has_room(options_.pending_max)) throw unavailable();
  auto answer = std::make_shared<Answer>();
  send(words, options_.command_timeout, answer);
  return answer;
}

bool Redis::Connection::send(const std::vector<std::string>& words) {
  const bool sent = has_room(options_.pending_max / 2);
  if (sent) send(words, options_.command_timeout, nullptr);
  return sent;
}

void Redis::Connection::send(const std::vector<std::string>& words, Clock::duration timeout, AnswerPtr answer) {
  write(words);
  sent(timeout, std::move(answer));
}

Redis::Connection::AnswerPtr Redis::Connection::submit_set(std::string_view key, std::string_view value,
                                                           std::chrono::seconds ttl) {
  if (!has_room(options_.pending_max)) throw unavailable();
  auto answer = std::make_shared<Answer>();
  write_set(key, value, ttl);
  sent(options_.command_timeout, answer);
  return answer;
}

void Redis::Connection::sent(Clock::duration timeout, AnswerPtr answer) {
  pending_.push_back({Clock::now() + timeout, std::move(answer)});
  if (!oldest_.armed()) watch_oldest();
}

void Redis::Connection::take(RedisReply reply) {
  if (pending_.empty()) return drop(std::move(reply.text));  // nobody asked: Redis has too many clients
  const AnswerPtr answer = std::move(pending_.front().answer);
  pending_.pop_front();
  if (!connected_) {
    if (reply.type == RedisReply::Type::error) return drop(std::move(reply.text));  // loading, say
    connected_ = true;
    first_attempt_ = false;
    refusal_.clear();
    oldest_.disarm();  // it was armed for the PING, whose timeout may be the longer one
    if (!pending_.empty()) watch_oldest();
    return settled();
  }
  const bool demoted = asks_sentinels() && reply.type == RedisReply::Type::error && reply.text.starts_with("READONLY");
  if (answer) {
    answer->reply = std::move(reply);
    answer->waiter.resume();
  } else if (reply.type == RedisReply::Type::error) {
    passes("(sent)", reply.text);
  }
  if (demoted) drop("it is a replica now");
}

void Redis::Connection::lost() {
  oldest_.disarm();
  connected_ = first_attempt_ = false;
  for (const auto& pending : std::exchange(pending_, {})) {
    if (pending.answer) pending.answer->waiter.resume();
  }
}

// Not moved on with every reply: when it fires for one that was answered it looks for the next.
void Redis::Connection::watch_oldest() {
  oldest_.arm(pending_.front().deadline - Clock::now(), [this] { check_oldest(); });
}

void Redis::Connection::check_oldest() {
  // It may be this process that was late: everything that has come is read before Redis is blamed.
  while (!pending_.empty() && pending_.front().deadline <= Clock::now()) {
    if (!read()) return drop("no reply in time");
  }
  if (!pending_.empty()) watch_oldest();
}

bool Redis::Connection::passes(std::string_view command, const std::string& error) {
  const std::string code = error.substr(0, error.find(' '));
  if (std::ranges::find(kPassing, code) == kPassing.end()) {
    log(Severity::error, "redis_error", {{"command", command}, {"error", error}});
    return false;
  }
  if (code != std::exchange(refusal_, code)) {
    log(Severity::warning, "redis_refuses", {{"command", command}, {"error", error}});
  }
  return true;
}

RedisReply Redis::Connection::checked(std::string_view command, RedisReply reply) {
  if (reply.type != RedisReply::Type::error) return reply;
  if (passes(command, reply.text)) throw unavailable();
  throw RedisError(std::move(reply.text));
}

// ---- What callers see --------------------------------------------------------------------------------------------

Redis::Redis(Reactor& reactor, RedisOptions options)
    : connection_(std::make_shared<Connection>(reactor, std::move(options))) {
  connection_->connect();
}

Redis::~Redis() { connection_->close(); }

bool Redis::connected() const { return connection_->connected(); }

bool Redis::send(const std::vector<std::string>& words) { return connection_->send(words); }

Redis::Sent Redis::begin(const std::vector<std::string>& words) {
  return {.connection = connection_, .answer = connection_->submit(words), .command = words.front()};
}

Async<RedisReply> Redis::reply_to(Sent sent) {
  co_await sent.answer->waiter.wait();
  if (!sent.answer->reply) throw unavailable();
  co_return sent.connection->checked(sent.command, std::move(*sent.answer->reply));
}

Async<RedisReply> Redis::command(std::vector<std::string> words) {
  const auto connection = connection_;
  const auto answer = connection->submit(words);
  co_await answer->waiter.wait();
  if (!answer->reply) throw unavailable();
  co_return connection->checked(words.front(), std::move(*answer->reply));
}

Async<void> Redis::set(std::string key, std::string_view value, std::chrono::seconds ttl) {
  const auto connection = connection_;
  const auto answer = connection->submit_set(key, value, ttl);
  co_await answer->waiter.wait();
  if (!answer->reply) throw unavailable();
  connection->checked("SET", std::move(*answer->reply));
}

Async<RedisReply> Redis::eval(const RedisScript& script, std::vector<std::string> keys, std::vector<std::string> args) {
  const auto connection = connection_;
  std::vector<std::string> words{"EVALSHA", script.sha1(), std::to_string(keys.size())};
  std::ranges::move(keys, std::back_inserter(words));
  std::ranges::move(args, std::back_inserter(words));
  auto answer = connection->submit(words);
  co_await answer->waiter.wait();
  if (answer->reply && answer->reply->type == RedisReply::Type::error && answer->reply->text.starts_with("NOSCRIPT")) {
    words[0] = "EVAL";
    words[1] = script.text();
    answer = connection->submit(words);
    co_await answer->waiter.wait();
  }
  if (!answer->reply) throw unavailable();
  co_return connection->checked(words.front(), std::move(*answer->reply));
}

}  // namespace plugfleet
