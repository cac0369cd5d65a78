// Redis: one connection that many coroutines share, their commands pipelined.
//
// It connects by itself, at once and again whenever the connection is lost (after 50 ms, doubling to 2 s, with jitter).
// While there is no connection every command fails at once with Failure(FailureKind::unavailable): callers have something to
// fall back on, and a queue of the past would only delay them. The one exception is the first attempt after the start,
// which commands wait for (not for the sentinels, where those have to be asked first). A Redis that accepts but does
// not answer PING, or answers that it is loading its data, counts as no connection; so does one that a sentinel named
// and that is not a master. One that has become a replica (READONLY) is left, and the sentinels are asked again.
//
// Callers may assume: a command fails within its timeout; a caller who is cancelled leaves at once, and what Redis
// answers later is dropped. A command that failed may have been carried out all the same.
// Not for commands that block (BLPOP) or turn the connection into something else (SUBSCRIBE, MONITOR). Values of many
// megabytes work: set() copies them once, everything else several times.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "io/reactor.h"

namespace plugfleet {

struct RedisOptions {
  std::string address;  // io/redis_address.h
  Clock::duration connect_timeout = 500ms;
  Clock::duration command_timeout = 500ms;
  std::size_t pending_max = 10'000;  // commands without a reply; over it they fail at once
};

struct RedisReply {
  enum class Type { nil, integer, string, error, array };

  Type type = Type::nil;
  std::int64_t integer = 0;
  std::string text;  // a string, a status ("OK") or, inside an array, an error
  std::vector<RedisReply> items;

  bool is_nil() const { return type == Type::nil; }
};

// Redis understood the command and refused it: a fault of ours. Its text is logged where it is thrown. (What says that
// Redis can't serve now, such as LOADING, READONLY or OOM, is a Failure(FailureKind::unavailable) instead.)
class RedisError : public Failure {
 public:
  explicit RedisError(std::string text)
      : Failure(FailureKind::internal, "something went wrong here"), text_(std::move(text)) {}
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// A Lua script. Lives as long as the program: `const RedisScript kTake{"..."};`
class RedisScript {
 public:
  explicit RedisScript(std::string text) : text_(std::move(text)), sha1_(sha1_hex(text_)) {}
  const std::string& text() const { return text_; }
  const std::string& sha1() const { return sha1_; }

 private:
  std::string text_, sha1_;
};

class Redis {
  class Connection;
  struct Answer;

 public:
  // Throws Failure where the address is none. Ignores SIGPIPE for the process.
  Redis(Reactor& reactor, RedisOptions options);
  // What is pending fails. Neither function below may be begun after this.
  ~Redis();
  Redis(const Redis&) = delete;

  // Sends {"SET", key, value}. Throws Failure(FailureKind::unavailable) or RedisError.
  Async<RedisReply> command(std::vector<std::string> words);

  // The same, sent at once and awaited later, or never: what is sent in one turn costs one round trip.
  struct Sent {
    std::shared_ptr<Connection> connection;
    std::shared_ptr<Answer> answer;
    std::string command;
  };
  Sent begin(const std::vector<std::string>& words);  // throws Failure(FailureKind::unavailable)
  static Async<RedisReply> reply_to(Sent sent);       // once; throws as command() does

  // The same for those who don't care what becomes of it: a fraction of the cost of a coroutine, never throws, an error
  // is logged. False: not sent. That is so where half of pending_max wait already: the rest is for command().
  bool send(const std::vector<std::string>& words);

  // SET with a time to live, made for large values: `value` is not looked at after this has first waited.
  Async<void> set(std::string key, std::string_view value, std::chrono::seconds ttl);

  // Runs the script by its hash; where Redis does not know it yet, by its text. Throws as command() does.
  Async<RedisReply> eval(const RedisScript& script, std::vector<std::string> keys, std::vector<std::string> args);
  Async<RedisReply> eval(const RedisScript&&, std::vector<std::string>, std::vector<std::string>) = delete;

  bool connected() const;

 private:
  std::shared_ptr<Connection> connection_;
};

// A connection of its own that only listens, however many channels it listens to. Reconnects as Redis does and
// subscribes again by itself; what was published meanwhile is lost, which `on_gap` says.
class RedisSubscriber {
 public:
  struct Events {
    std::function<void(std::string_view channel, std::string_view message)> on_message;
    // Every channel is subscribed (again): whoever keeps a state must read it anew. Called after each connecting.
    std::function<void()> on_gap;
  };

  RedisSubscriber(Reactor& reactor, RedisOptions options, Events events);
  ~RedisSubscriber();
  RedisSubscriber(const RedisSubscriber&) = delete;

  // Counted: a channel is left when it has been unsubscribed as often as subscribed.
  void subscribe(const std::string& channel);
  void unsubscribe(const std::string& channel);
  bool connected() const;

 private:
  class Connection;
  std::shared_ptr<Connection> connection_;
};

}  // namespace plugfleet
