// What Redis and RedisSubscriber share: a connection to Redis that is made again whenever it is lost (after 50 ms,
// doubling to 2 s, with jitter), written to once a turn, and read into RedisReply. (hiredis, included in redis_link.cc
// alone: its connecting and its reader. Its asynchronous half is not used: that can't tell a PING's reply from a
// message. Nor is its output buffer: at each short write that moves all that is left, which is seconds for a few large
// values.)
//
// Who derives from it says hello in opened(), and calls settled() once it is content with the answer.
#pragma once

#include <deque>
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
  // Throws Failure when the path is too long for a socket. Ignores SIGPIPE for the process.
  RedisLink(Reactor& reactor, RedisOptions options);

  virtual void opened() = 0;
  virtual void take(RedisReply reply) = 0;  // may close()
  virtual void lost() = 0;                  // or never came about

  bool open() const { return context_ != nullptr; }
  void settled();
  // Only while open(). What is written in one turn leaves in one write.
  void write(const std::vector<std::string>& words);
  // SET with a time to live; the value is copied once, and freed when it has been sent.
  void write_set(std::string_view key, std::string_view value, std::chrono::seconds ttl);
  // Takes what has come so far; false when nothing has.
  bool read();
  // Ends the connection; the next attempt comes by itself.
  void drop(std::string why);

  Reactor& reactor_;
  const RedisOptions options_;

 private:
  void append(std::string_view part);
  void flush_soon();
  void flush();

  redisContext* context_ = nullptr;
  std::optional<FdWatch> watch_;
  std::deque<std::string> out_;  // to be sent; a large value is a piece of its own
  std::size_t sent_ = 0;         // of the first piece
  bool flush_posted_ = false, closed_ = false;
  Timer backoff_;
  Clock::duration next_backoff_;
  bool told_ = false;  // one line for an outage, not one for each attempt
};

}  // namespace plugfleet
