// What Redis and RedisSubscriber share: a connection to Redis that is made again whenever it is lost (after 50 ms,
// doubling to 2 s, with jitter), written to once a turn, and read into RedisReply. Where sentinels know the address
// they are asked before each connecting, one after another, and the Redis they name must say itself that it is a
// master: one that was cut off still names the old one. (hiredis, included in redis_link.cc alone: its connecting and
// its reader. Its asynchronous half is not used: that can't tell a PING's reply from a message. Nor is its output
// buffer: at each short write that moves all that is left, which is seconds for a few large values.)
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
#include "io/redis_address.h"

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
  // Throws Failure where the address is none. Ignores SIGPIPE for the process.
  RedisLink(Reactor& reactor, RedisOptions options);

  virtual void opened() = 0;
  virtual void take(RedisReply reply) = 0;  // may close()
  virtual void lost() = 0;                  // or never came about

  bool open() const { return context_ != nullptr && stage_ == Stage::open; }
  // Whether another Redis may be the master the next time.
  bool asks_sentinels() const { return !address_.master.empty(); }
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
  enum class Stage { asking, verifying, open };  // a sentinel, the master it named, what derives from this

  void ask();
  void dial(const RedisAddress::Place& place, Stage stage, const std::vector<std::string>& question);
  void attach(redisContext* context);
  void hang_up();
  void arrived(RedisReply reply);
  void append(std::string_view part);
  void flush_soon();
  void flush();

  const RedisAddress address_;
  Stage stage_ = Stage::open;
  std::size_t sentinel_ = 0, asked_ = 0;  // which is asked, and how many were since the connection was lost
  redisContext* context_ = nullptr;
  std::optional<FdWatch> watch_;
  std::deque<std::string> out_;  // to be sent; a large value is a piece of its own
  std::size_t sent_ = 0;         // of the first piece
  bool flush_posted_ = false, closed_ = false;
  Timer timer_;  // of the backoff, or of the answer to a question
  Clock::duration next_backoff_;
  bool told_ = false;  // one line for an outage, not one for each attempt
};

}  // namespace plugfleet
