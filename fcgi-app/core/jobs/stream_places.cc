#include "core/jobs/stream_places.h"

#include <fmt/format.h>

#include <list>
#include <unordered_map>

#include "base/ids.h"
#include "base/text.h"
#include "core/jobs/job_events.h"

namespace plugfleet {
namespace {

constexpr auto kRetryAfter = 5s;
constexpr std::size_t kRenewMax = 200;  // in one script

// KEYS: clients' places, of members "<process>-<number>". ARGV begins: the limit, the lease in milliseconds, the
// process that asks. Every process listens to a channel of its own, so one that nobody listens to is that of a dead
// one: Redis knows as soon as the kernel has closed its connection.
constexpr std::string_view kPlaces = R"lua(
  local limit, lease, asks = tonumber(ARGV[1]), ARGV[2], ARGV[3]
  local function channel(member) return 'streams:' .. string.match(member, '^[^-]+') end
  local function add(key, member)
    local newest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
    redis.call('ZADD', key, (newest[2] or 0) + 1, member)
  end
  local function over(key) return redis.call('ZCARD', key) - limit end
  local function free_places_of_the_dead(key)
    local lives = {['streams:' .. asks] = true}
    for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      local name = channel(member)
      if lives[name] == nil then lives[name] = redis.call('PUBSUB', 'NUMSUB', name)[2] > 0 end
      if not lives[name] then redis.call('ZREM', key, member) end
    end
  end
)lua";

// ARGV[4]: the member to add.
const RedisScript kTake(std::string(kPlaces) + R"lua(
  local key = KEYS[1]
  add(key, ARGV[4])
  redis.call('PEXPIRE', key, lease)
  if over(key) > 0 then free_places_of_the_dead(key) end
  if over(key) <= 0 then return end
  for _, member in ipairs(redis.call('ZRANGE', key, 0, over(key) - 1)) do
    redis.call('ZREM', key, member)
    redis.call('PUBLISH', channel(member), string.match(member, '%d+$'))
  end
)lua");

// ARGV from the fourth on: the member of each key. One that is missing was forgotten, or displaced and that was not
// heard: it is added where there is room. Gives the numbers of those that stay displaced.
const RedisScript kRenew(std::string(kPlaces) + R"lua(
  local displaced = {}
  for i, key in ipairs(KEYS) do
    local member = ARGV[i + 3]
    if not redis.call('ZSCORE', key, member) then
      if over(key) >= 0 then free_places_of_the_dead(key) end
      if over(key) < 0 then add(key, member) else table.insert(displaced, string.match(member, '%d+$')) end
    end
    redis.call('PEXPIRE', key, lease)
  end
  return displaced
)lua");

}  // namespace

struct StreamPlaces::State : std::enable_shared_from_this<State> {
  struct Due {
    Held* held;
    Clock::time_point when;
  };

  State(Reactor& the_reactor, Redis& the_redis, JobEvents& the_events, StreamLimits the_limits,
        Clock::duration the_lease)
      : reactor(the_reactor),
        redis(&the_redis),
        events(the_events),
        limits(the_limits),
        lease(the_lease),
        timer(the_reactor) {}

  // What each script's arguments begin with.
  std::vector<std::string> arguments() const {
    return {fmt::format("{}", limits.client), fmt::format("{}", std::chrono::ceil<milliseconds>(lease).count()),
            process};
  }
  void listen();
  void displace(std::string_view number);
  void renew_due();
  static Async<void> renew(std::shared_ptr<State> self, std::vector<std::string> keys, std::vector<std::string> args);

  Reactor& reactor;
  Redis* redis;  // null when the process ends
  JobEvents& events;
  const StreamLimits limits;
  const Clock::duration lease;
  const std::string process = random_hex(8);
  std::uint64_t last_number = 0;
  std::unordered_map<std::uint64_t, Held*> held;                // those that were not displaced
  std::unordered_map<std::string, std::list<Held*>> by_client;  // the oldest first
  std::list<Due> leases;                                        // the next to be renewed first
  std::int64_t taken = 0;
  JobEvents::Handle listening;
  Timer timer;
};

class StreamPlaces::Held : public StreamPlace {
 public:
  Held(std::shared_ptr<State> state, std::string client)
      : state_(std::move(state)), client_(std::move(client)), number_(++state_->last_number) {
    ++state_->taken;
    state_->held.emplace(number_, this);
    auto& of_client = state_->by_client[client_];
    by_age_ = of_client.insert(of_client.end(), this);
    due_ = state_->leases.insert(state_->leases.end(), {this, Clock::now() + state_->lease / 2});
    if (!state_->timer.armed()) state_->renew_due();
  }
  ~Held() override {
    --state_->taken;
    give_back();
  }
  Held(const Held&) = delete;

  void on_displaced(std::function<void()> tell) override {
    tell_ = std::move(tell);
    if (displaced_ && tell_) std::exchange(tell_, nullptr)();
  }
  void displace() {
    give_back();
    displaced_ = true;
    if (tell_) std::exchange(tell_, nullptr)();
  }

  std::string key() const { return "streams:" + sha1_hex(client_); }
  std::string member() const { return fmt::format("{}-{}", state_->process, number_); }

 private:
  void give_back() {
    if (state_->held.erase(number_) == 0) return;
    const auto of_client = state_->by_client.find(client_);
    of_client->second.erase(by_age_);
    if (of_client->second.empty()) state_->by_client.erase(of_client);
    state_->leases.erase(due_);
    if (state_->redis) state_->redis->send({"ZREM", key(), member()});
  }

  const std::shared_ptr<State> state_;
  const std::string client_;
  const std::uint64_t number_;
  std::list<Held*>::iterator by_age_;
  std::list<State::Due>::iterator due_;
  bool displaced_ = false;
  std::function<void()> tell_;
};

void StreamPlaces::State::listen() {
  if (listening) return;
  listening = events.on_message("streams:" + process, [weak = weak_from_this()](std::string_view number) {
    if (const auto self = weak.lock()) self->displace(number);
  });
}

void StreamPlaces::State::displace(std::string_view number) {
  const auto found = held.find(number_in<std::uint64_t>(number).value_or(0));
  if (found != held.end()) found->second->displace();
}

void StreamPlaces::State::renew_due() {
  const auto now = Clock::now();
  while (!leases.empty() && leases.front().when <= now) {
    std::vector<std::string> keys, args = arguments();
    while (keys.size() < kRenewMax && !leases.empty() && leases.front().when <= now) {
      leases.front().when = now + lease / 2;
      keys.push_back(leases.front().held->key());
      args.push_back(leases.front().held->member());
      leases.splice(leases.end(), leases, leases.begin());
    }
    reactor.spawn(renew(shared_from_this(), std::move(keys), std::move(args)),
                  [](std::exception_ptr) {});  // else the next one does
  }
  if (!leases.empty()) timer.arm(lease / 100, [this] { renew_due(); });
}

Async<void> StreamPlaces::State::renew(std::shared_ptr<State> self, std::vector<std::string> keys,
                                       std::vector<std::string> args) {
  const RedisReply reply = co_await self->redis->eval(kRenew, std::move(keys), std::move(args));
  for (const RedisReply& number : reply.items) self->displace(number.text);
}

StreamPlaces::StreamPlaces(Reactor& reactor, Redis& redis, JobEvents& events, StreamLimits limits,
                           Clock::duration lease)
    : state_(std::make_shared<State>(reactor, redis, events, limits, lease)) {}

StreamPlaces::~StreamPlaces() {
  state_->redis = nullptr;
  state_->timer.disarm();
  state_->listening.reset();
}

std::int64_t StreamPlaces::taken() const { return state_->taken; }

Async<std::shared_ptr<StreamPlace>> StreamPlaces::take(std::string client) {
  const auto state = state_;
  if (state->taken >= state->limits.process) {
    throw Failure(FailureKind::unavailable, "no more streams can be open here; ask again later")
        .retry_after(kRetryAfter);
  }
  state->listen();
  const auto held = std::make_shared<Held>(state, client);
  const auto& of_client = state->by_client.at(client);
  while (std::ssize(of_client) > state->limits.client) of_client.front()->displace();
  try {
    auto args = state->arguments();
    args.push_back(held->member());
    co_await state->redis->eval(kTake, {held->key()}, std::move(args));
  } catch (const Failure& failure) {
    if (failure.kind() != FailureKind::unavailable) throw;
  }
  co_return held;
}

}  // namespace plugfleet
