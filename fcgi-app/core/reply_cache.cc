#include "core/reply_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/ids.h"
#include "base/log.h"
#include "core/redis_time.h"
#include "wire/gzip.h"

namespace plugfleet {
namespace {

constexpr std::size_t kBodyMost = 512 * 1024;
constexpr std::size_t kPackedLeast = 1024;        // as nginx's gzip_min_length
constexpr std::size_t kOffloadBytes = 32 * 1024;  // packing more than this is for another thread
constexpr auto kMakingMost = 10s;                 // then another request may try
constexpr auto kKeptMost = 24h;
constexpr auto kVersionKept = 25h;  // longer than any reply that was made before it
constexpr auto kLookAgainFirst = 10ms, kLookAgainMost = 100ms;

// KEYS: the reply, who makes it, each tag's version. ARGV: a token for who makes it, its time in ms, the ETags that are
// known, "gzip" where it is taken.
// Gives {"fresh" or "stale", etag, type, headers, coding, body}, {"stale!"...} to the one who makes it anew meanwhile,
// {"make", versions} or {"wait"}. The body is nil where it is known.
const RedisScript kLook(R"lua(
  local versions = {}
  for i = 3, #KEYS do versions[#versions + 1] = redis.call('GET', KEYS[i]) or '0' end
  local version = table.concat(versions, ',')
  local kept = redis.call('HMGET', KEYS[1], 'version', 'fresh', 'etag', 'type', 'headers')
  local what = 'make'
  if kept[1] == version then
    local now = redis.call('TIME')
    what = (now[1] * 1000 + math.floor(now[2] / 1000) < tonumber(kept[2])) and 'fresh' or 'stale'
  end
  if what ~= 'fresh' and redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
    if what == 'make' then return {'make', version} end
    what = 'stale!'
  end
  if what == 'make' then return {'wait'} end
  local body, coding = false, ''
  if ARGV[3] ~= '*' and not string.find(ARGV[3], kept[3], 1, true) then
    if ARGV[4] == 'gzip' then body = redis.call('HGET', KEYS[1], 'best') end
    coding = body and redis.call('HGET', KEYS[1], 'coding') or ''
    body = body or redis.call('HGET', KEYS[1], 'body')
  end
  return {what, kept[3], kept[4], kept[5], coding, body, version}
)lua");

// KEYS: the reply, who makes it. ARGV: the token, versions, ms fresh, ms in all, etag, type, headers, body, gzip or "".
const RedisScript kKeep(R"lua(
  local now = redis.call('TIME')
  local fresh = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[3]
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'fresh', fresh, 'etag', ARGV[5], 'type', ARGV[6], 'headers', ARGV[7],
             'body', ARGV[8])
  if ARGV[9] ~= '' then
    redis.call('HSET', KEYS[1], 'best', ARGV[9], 'coding', 'gzip')
  else
    redis.call('HSET', KEYS[1], 'best', ARGV[8], 'coding', '')
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
)lua");

Clock::duration kept_for(const CacheRule& rule) {
  return std::min<Clock::duration>(rule.fresh + rule.stale, kKeptMost);
}

std::string reply_key(const ReplyCache::Asked& asked) {
  std::string whole;
  for (const std::string& part : asked.key) whole.append(std::to_string(part.size())).append(":").append(part);
  return "cache:" + sha256_hex(whole).substr(0, 40);
}
std::string making_key(const std::string& reply_key) { return reply_key + ":making"; }
// As scripts/lib/common.sh has it, too (forget_replies).
std::string tag_key(std::string_view tag) { return "cache-tag:" + sha256_hex(tag).substr(0, 40); }

// Quotes stand nowhere within a tag, so this finds whole ones (RFC 9110 section 13.1.2: W/ counts for nothing here).
bool has_etag(std::string_view known, std::string_view etag) { return known == "*" || known.contains(etag); }
std::string etag_of(std::string_view body) { return fmt::format("\"{}\"", sha256_hex(body).substr(0, 32)); }

std::vector<std::string> look_keys(const std::string& key, const ReplyCache::Asked& asked) {
  std::vector<std::string> keys{key, making_key(key)};
  for (const std::string& tag : asked.tags) keys.push_back(tag_key(tag));
  return keys;
}

std::vector<std::string> look_words(const ReplyCache::Asked& asked, const std::string& token) {
  return {token, ms_text(kMakingMost), asked.known, asked.gzip ? "gzip" : ""};
}

std::string header_lines(const Reply& reply) {
  std::string lines;
  for (const auto& [name, value] : reply.headers) lines += fmt::format("{}\n{}\n", name, value);
  return lines;
}

void add_headers(Reply& reply, std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t name = lines.find('\n'), value = lines.find('\n', name + 1);
    reply.headers.emplace_back(lines.substr(0, name), lines.substr(name + 1, value - name - 1));
    lines.remove_prefix(value + 1);
  }
}

Reply finished(Reply reply, std::string etag, CacheRule::Each each, std::string whence) {
  return std::move(reply)
      .with("ETag", "W/" + std::move(etag))
      .with("X-Cache", std::move(whence))
      .with("Cache-Control", each == CacheRule::Each::user ? "private, no-cache" : "no-cache")
      .with("Vary", "Accept-Encoding");
}

}  // namespace

Reply with_etag(Reply reply, std::string_view known) {
  const std::string etag = etag_of(reply.body);
  if (has_etag(known, etag)) reply = {.status = 304};
  return std::move(reply).with("ETag", "W/" + etag).with("Cache-Control", "no-cache");
}

struct ReplyCache::Look {
  enum class What { kept, make, wait, down } what = What::down;
  bool refresh = false;  // it is stale, and this request is to make it anew
  std::string versions;
  Reply reply;
};

ReplyCache::ReplyCache(Redis& redis)
    : redis_(redis),
      fresh_(counter("plugfleet_cached_replies_total", "outcome=\"fresh\"", "Requests of routes with a cache.")),
      stale_(counter("plugfleet_cached_replies_total", "outcome=\"stale\"", "Requests of routes with a cache.")),
      made_(counter("plugfleet_cached_replies_total", "outcome=\"made\"", "Requests of routes with a cache.")),
      down_(counter("plugfleet_cached_replies_total", "outcome=\"down\"", "Requests of routes with a cache.")) {}

std::optional<ReplyCache::Peek> ReplyCache::peek(const Asked& asked) {
  if (!asked.known.empty()) return std::nullopt;  // the body may not be wanted
  const std::string key = reply_key(asked);
  std::vector<std::string> versions{"MGET"};
  for (const std::string& tag : asked.tags) versions.push_back(tag_key(tag));
  const bool gzip = asked.gzip;
  try {
    Peek peek{.kept = redis_.begin({"HMGET", key, "version", "etag", "type", "headers", gzip ? "coding" : "plain",
                                    gzip ? "best" : "body"}),
              .left = redis_.begin({"PTTL", key}),
              .versions = {}};
    if (!asked.tags.empty()) peek.versions = redis_.begin(versions);
    return peek;
  } catch (const Failure&) {
    return std::nullopt;
  }
}

// What was kept and is fresh, or nothing. The versions are read after the reply: one that was invalidated between them
// is not taken for a current one.
Async<std::optional<Reply>> ReplyCache::seen(Peek peeked, CacheRule rule) {
  RedisReply kept, left, versions;
  try {
    kept = co_await Redis::reply_to(peeked.kept);
    left = co_await Redis::reply_to(peeked.left);
    if (peeked.versions) versions = co_await Redis::reply_to(*peeked.versions);
  } catch (const Failure&) {
    co_return std::nullopt;
  }
  if (kept.items.size() != 6 || kept.items[5].is_nil()) co_return std::nullopt;
  if (milliseconds(left.integer) <= kept_for(rule) - rule.fresh) co_return std::nullopt;
  std::string version;
  for (std::string_view comma; const RedisReply& one : versions.items)
    version += std::string(std::exchange(comma, ",")) + (one.is_nil() ? "0" : one.text);
  if (kept.items[0].text != version) co_return std::nullopt;
  fresh_.add();
  Reply reply{.body = std::move(kept.items[5].text), .content_type = std::move(kept.items[2].text)};
  reply.headers.reserve(12);  // with those of the limiter and the trace
  add_headers(reply, kept.items[3].text);
  if (!kept.items[4].text.empty()) reply.headers.emplace_back("Content-Encoding", kept.items[4].text);
  co_return finished(std::move(reply), std::move(kept.items[1].text), rule.each, "hit");
}

Async<ReplyCache::Look> ReplyCache::look(const std::string& key, const Asked& asked, CacheRule::Each each,
                                         const std::string& token) {
  RedisReply said;
  try {
    said = co_await redis_.eval(kLook, look_keys(key, asked), look_words(asked, token));
  } catch (const Failure&) {
    co_return Look{};
  }
  co_return read(std::move(said), each);
}

ReplyCache::Look ReplyCache::read(RedisReply said, CacheRule::Each each) {
  const auto text = [&](std::size_t i) {
    return i < said.items.size() ? std::move(said.items[i].text) : std::string();
  };
  const std::string what = text(0);
  if (what == "wait") return Look{.what = Look::What::wait};
  if (what == "make") return Look{.what = Look::What::make, .versions = text(1)};
  Look look{.what = Look::What::kept, .refresh = what == "stale!", .versions = text(6)};
  (what == "fresh" ? fresh_ : stale_).add();
  const std::string etag = text(1);
  const bool known = said.items.size() < 6 || said.items[5].is_nil();
  look.reply = known ? Reply{.status = 304} : Reply{.body = text(5), .content_type = text(2)};
  const std::string coding = text(4);
  if (!known) add_headers(look.reply, text(3));
  if (!coding.empty()) look.reply.headers.emplace_back("Content-Encoding", coding);
  look.reply = finished(std::move(look.reply), etag, each, what == "fresh" ? "hit" : "stale");
  return look;
}

Async<Reply> ReplyCache::get(Reactor& reactor, Asked asked, CacheRule rule, std::function<Async<Reply>()> make,
                             std::optional<Peek> peeked) {
  if (peeked) {
    auto fresh = co_await seen(std::move(*peeked), rule);
    if (fresh) co_return std::move(*fresh);
  }
  const std::string key = reply_key(asked), token = random_hex(8);
  Look found;
  for (auto pause = Clock::duration(kLookAgainFirst);; pause = std::min(2 * pause, Clock::duration(kLookAgainMost))) {
    found = co_await look(key, asked, rule.each, token);
    if (found.what != Look::What::wait) break;
    co_await sleep_for(pause);
  }
  if (found.what == Look::What::kept && !found.refresh) co_return std::move(found.reply);
  // Whoever leaves from here on without a reply that is kept lets another try.
  struct Making {
    ReplyCache& cache;
    const std::string& key;
    const std::string& token;
    bool ours;
    ~Making() {
      if (ours) cache.give_up(key, token);
    }
  } making{*this, key, token, found.what != Look::What::down};
  std::optional<Reply> reply;
  try {
    reply = co_await make();
  } catch (const Cancellation&) {
    throw;
  } catch (const Failure& failure) {
    if (!found.refresh || info(failure.kind()).status < 500) throw;
    log(Severity::warning, "cached_reply_not_made", {{"why", failure.message()}});
  } catch (const std::exception& fault) {
    if (!found.refresh) throw;
    log(Severity::error, "cached_reply_not_made", {{"why", fault.what()}});
  }
  if (!reply) co_return std::move(found.reply);  // C4
  (found.what == Look::What::down ? down_ : made_).add();
  if (reply->status != 200 || reply->stream) co_return std::move(*reply);
  const std::string etag = etag_of(reply->body);
  if (found.what != Look::What::down && reply->body.size() <= kBodyMost) {
    co_await keep(reactor, key, rule, token, std::move(found.versions), etag, *reply);
    making.ours = false;
  }
  if (has_etag(asked.known, etag)) *reply = {.status = 304};
  co_return finished(std::move(*reply), etag, rule.each, "miss");
}

Async<void> ReplyCache::keep(Reactor& reactor, const std::string& key, const CacheRule& rule, std::string token,
                             std::string versions, std::string etag, const Reply& reply) {
  std::string packed;
  if (reply.body.size() >= kPackedLeast) {
    std::function<std::string()> pack = [&reply] { return gzip(reply.body); };
    if (reply.body.size() > kOffloadBytes) {
      packed = co_await reactor.offload(std::move(pack));
    } else {
      packed = pack();
    }
  }
  try {
    co_await redis_.eval(kKeep, {key, making_key(key)},
                         {std::move(token), std::move(versions), ms_text(rule.fresh), ms_text(kept_for(rule)),
                          std::move(etag), reply.content_type, header_lines(reply), reply.body, packed});
  } catch (const Failure& failure) {
    log(Severity::debug, "reply_not_kept", {{"why", failure.message()}});
  }
}

void ReplyCache::give_up(const std::string& key, const std::string& token) {
  // Nobody else's: a token is random, and the key lives for kMakingMost.
  redis_.send({"EVAL", "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end", "1",
               making_key(key), token});
}

Async<void> ReplyCache::invalidate(std::vector<std::string> tags) {
  try {
    for (const std::string& tag : tags) {
      co_await redis_.command(
          {"SET", tag_key(tag), random_hex(8), "EX", std::to_string(std::chrono::seconds(kVersionKept).count())});
    }
  } catch (const Failure& failure) {
    log(Severity::warning, "reply_cache_not_invalidated", {{"tags", tags.size()}, {"why", failure.message()}});
  }
}

}  // namespace plugfleet
