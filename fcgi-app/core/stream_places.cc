#include "core/stream_places.h"

#include <fmt/format.h>

#include <list>
#include <unordered_map>

#include "base/ids.h"

namespace plugfleet {
namespace {

constexpr auto kRetryAfter = 5s;
constexpr std::size_t kRenewMax = 200;  // in one script

// ARGV: the limit, the lease in milliseconds, the member. Gives 1 or 0. Redis's clock counts.
const RedisScript kTake(R"lua(
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
)lua");

// ARGV: the lease, then the member of each key.
const RedisScript kRenew(R"lua(
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, now + ARGV[1], ARGV[i + 1])
    redis.call('PEXPIRE', key, ARGV[1])
  end
)lua");

Async<void> renew(Redis& redis, std::vector<std::string> keys, std::vector<std::string> args) {
  co_await redis.eval(kRenew, std::move(keys), std::move(args));
}

}  // namespace

struct StreamPlaces::State {
  struct Due {
    Held* held;
    Clock::time_point when;
  };

  State(Reactor& the_reactor, Redis& the_redis, StreamLimits the_limits, Clock::duration the_lease)
      : reactor(the_reactor), redis(&the_redis), limits(the_limits), lease(the_lease), timer(the_reactor) {}

  std::string lease_text() const { return fmt::format("{}", std::chrono::ceil<milliseconds>(lease).count()); }
  void renew_due();

  Reactor& reactor;
  Redis* redis;  // null when the process ends
  const StreamLimits limits;
  const Clock::duration lease;
  const std::string process = random_hex(8);
  std::uint64_t last_number = 0;
  std::unordered_map<std::string, std::int64_t> clients;
  std::list<Due> leases;  // the next to be renewed first
  std::int64_t taken = 0;
  Timer timer;
};

class StreamPlaces::Held {
 public:
  Held(std::shared_ptr<State> state, std::string client)
      : state_(std::move(state)), client_(std::move(client)), number_(++state_->last_number) {
    ++state_->taken;
    ++state_->clients[client_];
    place_ = state_->leases.insert(state_->leases.end(), {this, Clock::now() + state_->lease / 2});
    if (!state_->timer.armed()) state_->renew_due();
  }
  ~Held() {
    --state_->taken;
    const auto client = state_->clients.find(client_);
    if (--client->second == 0) state_->clients.erase(client);
    state_->leases.erase(place_);
    if (state_->redis) state_->redis->send({"ZREM", key(), member()});
  }
  Held(const Held&) = delete;

  std::string key() const { return "streams:" + sha1_hex(client_); }
  std::string member() const { return fmt::format("{}-{}", state_->process, number_); }

 private:
  const std::shared_ptr<State> state_;
  const std::string client_;
  const std::uint64_t number_;
  std::list<State::Due>::iterator place_;
};

void StreamPlaces::State::renew_due() {
  const auto now = Clock::now();
  while (!leases.empty() && leases.front().when <= now) {
    std::vector<std::string> keys, args{lease_text()};
    while (keys.size() < kRenewMax && !leases.empty() && leases.front().when <= now) {
      leases.front().when = now + lease / 2;
      keys.push_back(leases.front().held->key());
      args.push_back(leases.front().held->member());
      leases.splice(leases.end(), leases, leases.begin());
    }
    reactor.spawn(renew(*redis, std::move(keys), std::move(args)),
                  [](std::exception_ptr) {});  // else the next one does
  }
  if (!leases.empty()) timer.arm(lease / 100, [this] { renew_due(); });
}

StreamPlaces::StreamPlaces(Reactor& reactor, Redis& redis, StreamLimits limits, Clock::duration lease)
    : state_(std::make_shared<State>(reactor, redis, limits, lease)) {}

StreamPlaces::~StreamPlaces() {
  state_->redis = nullptr;
  state_->timer.disarm();
}

std::int64_t StreamPlaces::taken() const { return state_->taken; }

Async<StreamPlaces::Place> StreamPlaces::take(std::string client) {
  const auto state = state_;
  if (state->taken >= state->limits.process) {
    throw Failure(Kind::unavailable, "no more streams can be open here; ask again later").retry_after(kRetryAfter);
  }
  const auto held = std::make_shared<Held>(state, client);
  bool allowed = state->clients[client] <= state->limits.client;
  if (allowed) {
    try {
      const RedisReply reply = co_await state->redis->eval(
          kTake, {held->key()}, {fmt::format("{}", state->limits.client), state->lease_text(), held->member()});
      allowed = reply.integer == 1;
    } catch (const Failure& failure) {
      if (failure.kind() != Kind::unavailable) throw;
    }
  }
  if (!allowed) {
    throw Failure(Kind::rate_limited,
                  fmt::format("this client has {} streams open already; close one", state->limits.client))
        .retry_after(kRetryAfter);
  }
  co_return held;
}

}  // namespace plugfleet
