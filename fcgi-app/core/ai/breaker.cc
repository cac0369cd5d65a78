// The breaker's state lives in one key, "<milliseconds open> <token>", whose time to live tells it: the key is set to
// live for its time open and a tail more, which is open_max + probe_for and begins anew with every probe.
//
//            kFail: enough failures in the window
//   closed ----------------------------------------> open            no key        -> closed
//      ^  \                                          ^  |            lives > tail  -> open, for what is above it
//      |   kLook finds it open                kSettle|  | time       lives <= tail -> half-open
//      |                                      failure|  v
//      +------------------------------------------ half-open ---- kProbe: one call passes
//            kSettle: success, or a tail without a probe
//
//   B1  Closed: a success sends nothing. A failure sends itself and the successes this process has seen in the window
//       and not yet sent, so that the fleet's failures are held against the fleet's calls and not only against their
//       number.
//   B2  Open: nothing but time ends it. A process that is still letting calls pass hears of it 500 ms later at most;
//       one that was idle asks before it lets the first call pass.
//   B3  Half-open: one probe at a time in the whole fleet (SET NX PX); every other call is refused.
//   B4  Only a probe closes or reopens, and only the opening it was a probe of: it must name the state key's value.
//   B5  Other calls count only in the stretch of closed time they began in. A cancelled call counts as neither, and a
//       cancelled probe is given back.
//   B6  When Redis fails it is not asked for a second; what it would have decided is decided here, for this process.
//       What was opened so stays open for its time; once Redis answers again its word holds.
#include "core/ai/breaker.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "base/metrics.h"
#include "core/redis_time.h"

namespace plugfleet {
namespace {

constexpr Clock::duration kFresh = 500ms;       // how long what this process knows is good
constexpr Clock::duration kRedisPause = 1s;     // B6
constexpr Clock::duration kProbePause = 200ms;  // after asking for a probe in vain
constexpr milliseconds kHalfOpenRetry = 1s;

// Every script: KEYS[1] state, KEYS[2] window, KEYS[3] probe. Each gives {the state's time to live in ms, its own say}.
// Nothing lives longer than it was set to, though Redis's clock is set back meanwhile.
constexpr std::string_view kLeft = R"lua(
  local function state_left(tail)
    local state = redis.call('GET', KEYS[1])
    return state and time_left(KEYS[1], string.match(state, '^%d+') + tail) or -2
  end
)lua";
RedisScript script(std::string_view text) { return RedisScript(fmt::format("{}{}{}", kTimeLeft, kLeft, text)); }

// ARGV: tail.
const RedisScript kLook = script("return {state_left(ARGV[1]), 0}");

// ARGV: failures, window, open_for, tail, successes to add, token. Says 1 where this opened it.
const RedisScript kFail = script(R"lua(
  local left = state_left(ARGV[4])
  if left > 0 then return {left, 0} end
  local failures = redis.call('HINCRBY', KEYS[2], 'failures', 1)
  local calls = redis.call('HINCRBY', KEYS[2], 'calls', ARGV[5] + 1)
  if failures == 1 then redis.call('PEXPIRE', KEYS[2], ARGV[2]) else time_left(KEYS[2], ARGV[2]) end
  if failures < tonumber(ARGV[1]) or failures * 2 < calls then return {left, 0} end
  redis.call('DEL', KEYS[2])
  redis.call('SET', KEYS[1], ARGV[3] .. ' ' .. ARGV[6], 'PX', ARGV[3] + ARGV[4])
  return {ARGV[3] + ARGV[4], 1}
)lua");

// ARGV: tail, probe_for, token. Says the state key's value where the probe is granted.
const RedisScript kProbe = script(R"lua(
  local left = state_left(ARGV[1])
  time_left(KEYS[3], ARGV[2])
  if left <= 0 or left > tonumber(ARGV[1]) then return {left, ''} end
  if not redis.call('SET', KEYS[3], ARGV[3], 'NX', 'PX', ARGV[2]) then return {left, ''} end
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return {left, redis.call('GET', KEYS[1])}
)lua");

// ARGV: the value kProbe said, success or failure, open_max, tail, token. Says 1 where it changed the state.
const RedisScript kSettle = script(R"lua(
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {state_left(ARGV[4]), 0} end
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  if ARGV[2] == 'success' then return {-2, 1} end
  local open = math.min(2 * tonumber(string.match(ARGV[1], '^%d+')), tonumber(ARGV[3]))
  redis.call('SET', KEYS[1], open .. ' ' .. ARGV[5], 'PX', open + ARGV[4])
  return {open + ARGV[4], 1}
)lua");

// ARGV: token, tail.
const RedisScript kRelease = script(R"lua(
  if redis.call('GET', KEYS[3]) == ARGV[1] then redis.call('DEL', KEYS[3]) end
  return {state_left(ARGV[2]), 0}
)lua");

}  // namespace

class Breaker::State : public std::enable_shared_from_this<Breaker::State> {
 public:
  State(Reactor& reactor, Redis& redis, std::string name, BreakerRules rules)
      : reactor_(reactor),
        redis_(redis),
        name_(std::move(name)),
        rules_(rules),
        tail_(std::chrono::ceil<milliseconds>(rules.open_max + rules.probe_for)),
        local_open_(rules.open_for) {
    const std::string key = "plugfleet:breaker:" + name_;
    keys_ = {key, key + ":window", key + ":probe"};
  }

  Async<Permit> admit();
  Async<void> refresh();
  BreakerState state() const {
    return closed_ ? BreakerState::closed : Clock::now() < until_ ? BreakerState::open : BreakerState::half_open;
  }
  BreakerView view() const { return {state(), WallClock::now() + (until_ - Clock::now())}; }
  std::uint64_t openings() const { return openings_; }

  void record(std::uint64_t opening, CallResult result);
  void record_probe(std::string token, std::string opened_as, std::uint64_t opening, CallResult result);
  void release_probe(const std::string& token);

 private:
  using Self = std::shared_ptr<State>;  // tasks outlive whoever spawned them
  static Async<void> report_failure(Self self, std::int64_t successes);
  static Async<void> settle(Self self, std::string opened_as, std::uint64_t opening, CallResult result);
  static Async<void> release(Self self, std::string token);

  // None when Redis fails. A reply is applied already.
  Async<std::optional<RedisReply>> ask(const RedisScript* script, std::vector<std::string> args);
  void apply(milliseconds left);
  void open(Clock::time_point until);
  void close();
  void open_alone();
  void tell_opened();
  void tell_closed() { log(Severity::info, "breaker_closed", {{"provider", name_}}); }

  static Permit allowed(Permit permit);
  static Permit refused(Permit permit, Clock::duration wait);

  Reactor& reactor_;
  Redis& redis_;
  const std::string name_;
  const BreakerRules rules_;
  const milliseconds tail_;
  std::vector<std::string> keys_;

  bool closed_ = true;
  Clock::time_point until_;      // while not closed: open before, half-open after
  std::uint64_t openings_ = 0;   // seen here
  Clock::time_point heard_;      // of Redis, last
  Clock::time_point ask_again_;  // B6
  Clock::time_point probe_again_;

  // What this process saw since began_, within one window.
  struct Window {
    Clock::time_point began;
    std::int64_t failures = 0, calls = 0, unsent_successes = 0;
  } window_;

  // B6: an opening only this process knows of, and its probe.
  bool alone_ = false;
  Clock::duration local_open_;  // of the next such opening
  std::string local_probe_;
  Clock::time_point local_probe_ends_;
};

// ---- What is known -----------------------------------------------------------------------------------------------

Async<std::optional<RedisReply>> Breaker::State::ask(const RedisScript* script, std::vector<std::string> args) {
  const Self self = shared_from_this();
  if (Clock::now() < ask_again_) co_return std::nullopt;
  try {
    auto reply = co_await redis_.eval(*script, keys_, std::move(args));
    apply(milliseconds(reply.items.at(0).integer));
    co_return std::move(reply);
  } catch (const Failure&) {
    ask_again_ = Clock::now() + kRedisPause;
  }
  co_return std::nullopt;
}

void Breaker::State::apply(milliseconds left) {
  heard_ = Clock::now();
  if (alone_ && heard_ < until_) return;
  if (left <= 0ms) return close();
  open(heard_ + left - tail_);
}

void Breaker::State::open(Clock::time_point until) {
  const bool news = closed_ || (state() == BreakerState::half_open && until > Clock::now());
  closed_ = alone_ = false;
  until_ = until;
  if (!news) return;
  ++openings_;
  window_ = {};
  probe_again_ = {};
}

void Breaker::State::close() {
  if (std::exchange(closed_, true)) return;
  alone_ = false;
  local_open_ = rules_.open_for;
  window_ = {};
}

void Breaker::State::open_alone() {
  open(Clock::now() + local_open_);
  alone_ = true;
  local_probe_.clear();
  local_open_ = std::min(2 * local_open_, rules_.open_max);
  tell_opened();
}

void Breaker::State::tell_opened() {
  counter("plugfleet_breaker_opened_total", fmt::format("provider=\"{}\"", name_), "Times that the breaker opened.")
      .add();
  log(Severity::warning, "breaker_opened", {{"provider", name_}, {"for_ms", to_ms(until_ - Clock::now())}});
}

// ---- Letting calls pass ------------------------------------------------------------------------------------------

Async<void> Breaker::State::refresh() {
  if (Clock::now() - heard_ < kFresh || state() == BreakerState::open) co_return;
  const auto reply = co_await ask(&kLook, {ms_text(tail_)});
}

Async<Breaker::Permit> Breaker::State::admit() {
  const Self self = shared_from_this();
  if (closed_) co_await refresh();
  Permit permit(self);
  if (closed_) co_return allowed(std::move(permit));
  const auto now = Clock::now();
  if (now < until_) co_return refused(std::move(permit), until_ - now);
  if (now < probe_again_) co_return refused(std::move(permit), kHalfOpenRetry);

  permit.token_ = random_hex(8);  // from here on the permit gives the probe back, whether it gets it or is cancelled
  const auto reply = co_await ask(&kProbe, {ms_text(tail_), ms_text(rules_.probe_for), permit.token_});
  const auto later = Clock::now();
  bool granted = false;
  if (reply) {
    permit.opened_as_ = reply->items.at(1).text;
    granted = !permit.opened_as_.empty();
  } else if (state() == BreakerState::half_open && (local_probe_.empty() || later >= local_probe_ends_)) {
    local_probe_ = permit.token_;
    local_probe_ends_ = later + rules_.probe_for;
    granted = true;
  }
  permit.opening_ = openings_;
  if (granted) co_return allowed(std::move(permit));
  permit.token_.clear();
  if (closed_) co_return allowed(std::move(permit));
  if (later < until_) co_return refused(std::move(permit), until_ - later);
  probe_again_ = later + kProbePause;
  co_return refused(std::move(permit), kHalfOpenRetry);
}

Breaker::Permit Breaker::State::allowed(Permit permit) {
  permit.allowed_ = true;
  return permit;
}

Breaker::Permit Breaker::State::refused(Permit permit, Clock::duration wait) {
  permit.state_ = nullptr;
  permit.retry_after_ = std::max(std::chrono::ceil<milliseconds>(wait), 1ms);
  return permit;
}

// ---- What came of them -------------------------------------------------------------------------------------------

void Breaker::State::record(std::uint64_t opening, CallResult result) {
  if (!closed_ || opening != openings_) return;  // B5
  const auto now = Clock::now();
  if (now - window_.began >= rules_.window) window_ = {.began = now};
  ++window_.calls;
  if (result == CallResult::success) {
    ++window_.unsent_successes;
  } else {
    ++window_.failures;
    reactor_.spawn(report_failure(shared_from_this(), std::exchange(window_.unsent_successes, 0)));
  }
}

Async<void> Breaker::State::report_failure(Self self, std::int64_t successes) {
  const auto& rules = self->rules_;
  const auto reply =
      co_await self->ask(&kFail, {std::to_string(rules.failures), ms_text(rules.window), ms_text(rules.open_for),
                                  ms_text(self->tail_), std::to_string(successes), random_hex(8)});
  if (reply && reply->items.at(1).integer == 1) self->tell_opened();
  if (reply || !self->closed_) co_return;
  const Window& window = self->window_;
  if (window.failures >= rules.failures && 2 * window.failures >= window.calls) self->open_alone();
}

void Breaker::State::record_probe(std::string token, std::string opened_as, std::uint64_t opening, CallResult result) {
  if (local_probe_ == token) local_probe_.clear();
  reactor_.spawn(settle(shared_from_this(), std::move(opened_as), opening, result));
}

Async<void> Breaker::State::settle(Self self, std::string opened_as, std::uint64_t opening, CallResult result) {
  const bool success = result == CallResult::success;
  if (!opened_as.empty()) {
    const auto reply =
        co_await self->ask(&kSettle, {opened_as, success ? "success" : "failure", ms_text(self->rules_.open_max),
                                      ms_text(self->tail_), random_hex(8)});
    if (reply && reply->items.at(1).integer == 1) success ? self->tell_closed() : self->tell_opened();
    if (reply) co_return;
  }
  if (self->closed_ || opening != self->openings_) co_return;  // B4
  if (!success) co_return self->open_alone();
  self->close();
  self->tell_closed();
}

void Breaker::State::release_probe(const std::string& token) {
  if (local_probe_ == token) local_probe_.clear();
  probe_again_ = {};
  reactor_.spawn(release(shared_from_this(), token));
}

Async<void> Breaker::State::release(Self self, std::string token) {
  const auto reply = co_await self->ask(&kRelease, {token, ms_text(self->tail_)});
}

// ---- What callers see --------------------------------------------------------------------------------------------

Breaker::Permit::Permit(std::shared_ptr<State> state) : state_(std::move(state)), opening_(state_->openings()) {}

Breaker::Permit::~Permit() {
  if (state_ && !token_.empty()) state_->release_probe(token_);
}

void Breaker::Permit::record(CallResult result) {
  const auto state = std::exchange(state_, nullptr);
  if (!state) return;
  if (token_.empty()) return state->record(opening_, result);
  state->record_probe(token_, opened_as_, opening_, result);
}

Breaker::Breaker(Reactor& reactor, Redis& redis, std::string name, BreakerRules rules)
    : state_(std::make_shared<State>(reactor, redis, std::move(name), rules)) {}
Breaker::~Breaker() = default;

Async<Breaker::Permit> Breaker::admit() { return state_->admit(); }
BreakerView Breaker::view() const { return state_->view(); }

Async<BreakerView> Breaker::look() {
  const auto state = state_;
  co_await state->refresh();
  co_return state->view();
}

}  // namespace plugfleet
