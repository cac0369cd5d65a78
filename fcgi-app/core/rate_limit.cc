// The same rule three times: as a script that Redis runs atomically, as the two commands that do for most limits, and over
// this process's memory.
//
//   L1  Within one window at most `points` are taken, however many processes ask at once.
//   L2  A key that is refused keeps its window's end, or gets the block's when that is later; further tries move
//       nothing. No wait is longer than the window or the block, though Redis's clock be set back.
//   L3  Neither a hostile key nor a number of keys makes memory grow: a key is at most 81 bytes, and over 100,000 keys
//       the one whose window ends first is forgotten.
#include "core/rate_limit.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/metrics.h"
#include "core/redis_time.h"

namespace plugfleet {
namespace {

constexpr std::size_t kKeyMax = 80;
constexpr std::size_t kMemoryKeys = 100'000;
constexpr Clock::duration kRedisPause = 1s;

// Gives {1 or 0, points used, milliseconds until the window ends}. While a key is blocked it holds points + 1.
const RedisScript kTake(std::string(kTimeLeft) + R"lua(
  local points, window, block, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
  local used = tonumber(redis.call('GET', KEYS[1]) or 0)
  local left = time_left(KEYS[1], used > points and math.max(window, block) or window)
  if left <= 0 then used = 0 end
  if used + cost <= points then
    if left > 0 then
      if cost > 0 then redis.call('INCRBY', KEYS[1], cost) end
    else
      left = window
      if cost > 0 then redis.call('SET', KEYS[1], cost, 'PX', window) end
    end
    return {1, used + cost, left}
  end
  if left <= 0 then left = window end
  if block > 0 and used <= points then
    left = math.max(left, block)
    redis.call('SET', KEYS[1], points + 1, 'PX', left)
  end
  return {0, used, left}
)lua");

// Two long keys never meet: what follows the part that is kept is their SHA-1, and no short key is that long.
std::string bounded(std::string key) {
  if (key.size() <= kKeyMax) return key;
  return key.substr(0, 40) + ":" + sha1_hex(key);
}

LimitState state_of(const RateLimit& limit, bool allowed, std::int64_t used, Clock::duration left) {
  return {.allowed = allowed,
          .limit = limit.points,
          .remaining = std::max<std::int64_t>(limit.points - used, 0),
          .reset_after = std::chrono::ceil<std::chrono::seconds>(left)};
}

}  // namespace

// ---- This process's memory ---------------------------------------------------------------------------------------

class RateLimiter::Memory {
 public:
  LimitState take(const std::string& key, const RateLimit& limit, std::int64_t cost) {
    const auto now = Clock::now();
    forget_ended(now);
    const auto found = windows_.find(key);
    const bool running = found != windows_.end() && found->second.ends > now;
    Window window = running ? found->second : Window{.used = 0, .ends = now + limit.duration};
    const bool allowed = window.used + cost <= limit.points;
    const auto used = allowed ? window.used + cost : window.used;
    if (!allowed && limit.block > 0s && window.used <= limit.points) {
      window = {.used = limit.points + 1, .ends = std::max(window.ends, now + limit.block)};
      keep(key, window);
    } else if (allowed && cost > 0) {
      window.used = used;
      keep(key, window);
    }
    return state_of(limit, allowed, used, window.ends - now);
  }

 private:
  struct Window {
    std::int64_t used;
    Clock::time_point ends;
  };
  using Windows = std::unordered_map<std::string, Window>;

  void keep(const std::string& key, Window window) {
    if (windows_.size() >= kMemoryKeys && !windows_.contains(key)) forget(by_end_.begin());
    const auto [place, added] = windows_.try_emplace(key, window);
    if (!added && place->second.ends != window.ends) by_end_.erase({place->second.ends, &place->first});
    place->second = window;
    by_end_.insert({window.ends, &place->first});
  }

  // A few a call, so that none pays for a crowd.
  void forget_ended(Clock::time_point now) {
    for (int i = 0; i < 8 && !by_end_.empty() && by_end_.begin()->first <= now; ++i) forget(by_end_.begin());
  }

  using ByEnd = std::set<std::pair<Clock::time_point, const std::string*>>;
  void forget(ByEnd::iterator oldest) {
    const auto place = windows_.find(*oldest->second);
    by_end_.erase(oldest);
    windows_.erase(place);
  }

  Windows windows_;
  ByEnd by_end_;  // every key of windows_, by its window's end
};

// ---- The limiter -------------------------------------------------------------------------------------------------

RateLimiter::RateLimiter(Redis& redis) : redis_(redis), memory_(std::make_unique<Memory>()) {}
RateLimiter::~RateLimiter() = default;

// Costs Redis a fifth of the script. What is refused is counted too, which changes nothing: the window is full. A key has no
// end before the first who takes of it, or the next one, has said it; one whose end is too far off gets it anew (L2).
Async<LimitState> RateLimiter::take_one(std::string key, RateLimit limit) {
  auto counting = redis_.begin({"INCR", key});
  auto asking = redis_.begin({"PTTL", key});
  const auto used = co_await Redis::reply_to(std::move(counting));
  const auto left = co_await Redis::reply_to(std::move(asking));
  const auto window = std::chrono::ceil<milliseconds>(limit.duration);
  const bool has_end = left.integer >= 0 && left.integer <= window.count();
  if (!has_end) redis_.send({"PEXPIRE", key, ms_text(limit.duration)});
  co_return state_of(limit, used.integer <= limit.points, used.integer, has_end ? milliseconds(left.integer) : window);
}

Async<LimitState> RateLimiter::take(std::string key, RateLimit limit, std::int64_t cost) {
  key = bounded(std::move(key));
  if (Clock::now() >= ask_redis_again_) {
    try {
      if (cost == 1 && limit.block == 0s) {
        const LimitState state = co_await take_one("plugfleet:limit:" + key, limit);
        co_return state;
      }
      const auto reply = co_await redis_.eval(
          kTake, {"plugfleet:limit:" + key},
          {std::to_string(limit.points), ms_text(limit.duration), ms_text(limit.block), std::to_string(cost)});
      co_return state_of(limit, reply.items.at(0).integer == 1, reply.items.at(1).integer,
                         milliseconds(reply.items.at(2).integer));
    } catch (const Failure&) {
      ask_redis_again_ = Clock::now() + kRedisPause;
    }
  }
  static const Counter fallbacks =
      counter("plugfleet_limit_fallbacks_total", "", "Requests limited by this process alone, without Redis.");
  fallbacks.add();
  co_return memory_->take(key, limit, cost);
}

}  // namespace plugfleet
