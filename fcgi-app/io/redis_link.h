// What Redis and RedisSubscriber share: a connection to Redis that is made again whenever it is lost (after 50 ms,
// doubling to 2 s, with jitter), written to once a turn, and read into RedisReply. (hiredis, included in redis_link.cc
// alone: its reader and its buffers. Its asynchronous half is not used: that can't tell a PING's reply from a message.)
//
// Who derives from it says hello in opened(), and calls settled() once it is content with the answer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/reactor.h"
#include "io/redis.h"

struct redisContext;

namespace plugfleet {

class RedisLink : public std::enable_shared_from_this<RedisLink> {
 public:
  virtual ~RedisLink() = default;  // close() came before
  RedisLink(const RedisLink&) = delete;

  void connect();
  // For good: lost() is called once more where there was a connection, and nothing after.
  void close();

 protected:
  // Throws Failure when the path is too long for a socket. Ignores SIGPIPE for the process: hiredis uses write(2).
  RedisLink(Reactor& reactor, RedisOptions options);

  virtual void opened() = 0;
  virtual void take(RedisReply reply) = 0;  // may close()
  virtual void lost() = 0;                  // or never came about

  bool open() const { return context_ != nullptr; }
  void settled();
  // Only while open(). What is written in one turn leaves in one write.
  void write(const std::vector<std::string>& words);
  // SET with a time to live; the value is copied once, into what is to be sent.
  void write_set(std::string_view key, std::string_view value, std::chrono::seconds ttl);
  // Takes what has come so far; false when nothing has.
  bool read();
  // Ends the connection; the next attempt comes by itself.
  void drop(std::string why);

  Reactor& reactor_;
  const RedisOptions options_;

 private:
  void flush_soon();
  void flush();

  redisContext* context_ = nullptr;
  std::optional<FdWatch> watch_;
  bool flush_posted_ = false, closed_ = false;
  Timer backoff_;
  Clock::duration next_backoff_;
  bool told_ = false;  // one line for an outage, not one for each attempt
};

}  // namespace plugfleet
