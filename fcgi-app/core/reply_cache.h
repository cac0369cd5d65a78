// Replies kept for the whole fleet, in the Redis of counters: a route says `.cache` and its handler runs once, for one
// request in all processes, where many ask.
//
//   {Method::GET, "/api/notes/{id}", show, {.cache = CacheRule{.fresh = 5min, .stale = 1min, .tags = {"note:{id}"}}}}
//   ...
//   co_await call.services.reply_cache.invalidate({"note:17"});    // whoever changed it, once that is committed
//
//   C1  A request that comes once invalidate() has returned is not answered with what was made before. (A tag has a
//       version, which every reply keeps that was made with it; no key is searched for.)
//   C2  While nothing is kept, or it is no longer fresh, one request in the fleet makes it anew. The others get the stale
//       one or, where there is none, wait for the new one. When whoever makes it fails, is cancelled or dies, another
//       does, within kMakingMost.
//   C3  A reply is kept only where its status is 200, it is not a stream, and it is of at most kBodyMost bytes.
//   C4  Where making it fails by the server's fault, those who can are given the stale one.
//   C5  Where Redis does not answer the reply is made, every time; and invalidate() only logs that: whoever changed
//       something has done so, and what is kept may be answered for its time then.
//   C6  Every such reply has an ETag; who knows it already is answered 304 (RFC 9110 section 13.1.2), and the body is
//       not even fetched. Its gzip form is kept beside it and costs nothing again. X-Cache says hit, stale or miss.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "io/redis.h"
#include "wire/reply.h"

namespace plugfleet {

struct CacheRule {
  enum class Each { everybody, user };  // user: nobody is given another's; all without a token are one

  Clock::duration fresh{};             // for so long it is answered as it is; with stale a day at most
  Clock::duration stale = 0s;          // and for so long after that while one request makes it anew
  std::vector<std::string> tags = {};  // {name}: the path's value of that name; {user}: user_tag() of whoever asks
  Each each = Each::everybody;
  // A reply also depends on the parameters that the route's `.query` names; the handler is to read no others.
};

// What {user} in a tag becomes: whoever changes what that user is answered says "notes:" + user_tag(...).
inline constexpr std::string_view kUserTag = "{user}";
inline std::string user_tag(std::string_view issuer, std::string_view subject) {
  return std::string(issuer) + '|' + std::string(subject);
}

class ReplyCache {
 public:
  explicit ReplyCache(Redis& redis);

  struct Asked {
    std::vector<std::string> key;   // what of: the route, its values, whose; no two lists are one key
    std::vector<std::string> tags;  // whole
    std::string known;              // If-None-Match
    bool gzip = false;              // the client takes it
  };
  // What get() may answer with at once: sent now, to travel with what else is sent in this turn. Plain commands, which
  // cost Redis a third of the script that get() asks otherwise. None where Redis is down.
  struct Peek {
    Redis::Sent kept, left;
    std::optional<Redis::Sent> versions;  // of the tags, where there are some
  };
  std::optional<Peek> peek(const Asked& asked);
  // The reply that is kept, or what `make` makes. `make` outlives the call. Throws what it throws.
  Async<Reply> get(Reactor& reactor, Asked asked, CacheRule rule, std::function<Async<Reply>()> make,
                   std::optional<Peek> peeked = {});

  Async<void> invalidate(std::vector<std::string> tags);

 private:
  struct Look;
  Async<Look> look(const std::string& key, const Asked& asked, CacheRule::Each each, const std::string& token);
  Async<std::optional<Reply>> seen(Peek peeked, CacheRule rule);
  Look read(RedisReply said, CacheRule::Each each);
  Async<void> keep(Reactor& reactor, const std::string& key, const CacheRule& rule, std::string token,
                   std::string versions, std::string etag, const Reply& reply);
  void give_up(const std::string& key, const std::string& token);

  Redis& redis_;
  Counter fresh_, stale_, made_, down_;
};

// The reply with an ETag of its body; 304 without one where `known` (If-None-Match) has it.
Reply with_etag(Reply reply, std::string_view known);

}  // namespace plugfleet
