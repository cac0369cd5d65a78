#include "host/scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace plugfleet {
namespace {

using State = Slot::State;
using Step = ScalingDecision::Step;

int count(const std::vector<Slot>& slots, State state) {
  return static_cast<int>(std::ranges::count(slots, state, &Slot::state));
}

// The number after the name, -1 where there is none.
std::int64_t number_after(const std::string& text, std::string_view name) {
  const std::size_t at = text.find(name);
  long long value = -1;
  if (at != text.npos) std::sscanf(text.c_str() + at + name.size(), "%lld", &value);
  return value;
}

bool is_enough(std::int64_t left_kb, std::int64_t total_kb) {
  return left_kb >= kMemoryLeastKb && static_cast<double>(left_kb) >= kMemoryLeastShare * static_cast<double>(total_kb);
}

}  // namespace

Need need_of(const WorkerLoad& load) {
  const bool timed = load.queued >= kQueueSamples;
  Need need;
  if (timed && load.queue_p95_ms >= kQueueShortMs) {
    need.shortage = fmt::format("accept queue waited {:.0f} ms at p95", load.queue_p95_ms);
  } else if (load.ready > 0 && load.in_flight > kInFlightShort * load.ready) {
    need.shortage = fmt::format("{} requests in flight in {} workers", load.in_flight, load.ready);
  }
  // The last of a pool on demand goes when nobody asked.
  need.one_fewer_would_do =
      (load.ready > 1 || load.queued == 0) && (!timed || load.queue_p95_ms < kQueueCalmMs) &&
      static_cast<double>(load.in_flight) <= kCalm * static_cast<double>(kInFlightShort * (load.ready - 1));
  return need;
}

Need need_of(const RunnerLoad& load) {
  const auto places = static_cast<double>(load.ready * load.places), running = static_cast<double>(load.running);
  const bool full = running >= kPlacesShort * places, half_full = running >= 0.5 * places;
  Need need;
  if (load.on_demand && load.ready == 0 && load.waiting > 0) {
    need.shortage = fmt::format("{} jobs waited, and no runner was there", load.waiting);
  } else if (load.ready > 0 && load.waiting > 0 && (full || (half_full && load.oldest >= kJobOldest))) {
    need.shortage =
        fmt::format("{} jobs waited, the oldest for {} s, and {} runners had {}", load.waiting,
                    std::chrono::floor<std::chrono::seconds>(load.oldest).count(), load.ready, load.running);
  }
  // Jobs that wait beside empty places wait for something else: their kind is paused, or has its limit.
  need.one_fewer_would_do =
      (load.ready > 1 || load.waiting == 0) && running <= kCalm * static_cast<double>((load.ready - 1) * load.places);
  return need;
}

bool memory_is_left(const std::string& meminfo) {
  const std::int64_t total = number_after(meminfo, "MemTotal:"), available = number_after(meminfo, "MemAvailable:");
  return total < 0 || available < 0 || is_enough(available, total);
}

bool group_memory_is_left(const std::string& most, const std::string& current, const std::string& stat) {
  const std::int64_t limit = number_after(most, ""), used = number_after(current, "");
  if (limit < 0 || used < 0) return true;
  // The page cache counts as used and is given up when memory is needed.
  const std::int64_t cache = std::max<std::int64_t>(0, number_after(stat, "\nactive_file ")) +
                             std::max<std::int64_t>(0, number_after(stat, "\ninactive_file "));
  return is_enough((limit - used + cache) / 1024, limit / 1024);
}

ScalingDecision PoolScaler::decide(const PoolLook& look) {
  if (last_look_ && look.at - *last_look_ > kLookGap) {
    short_looks_ = 0;
    calm_since_.reset();
  }
  last_look_ = look.at;
  const bool is_short = !look.need.shortage.empty();
  short_looks_ = is_short ? short_looks_ + 1 : 0;
  if (is_short || !look.need.one_fewer_would_do) {
    calm_since_.reset();
  } else if (!calm_since_) {
    calm_since_ = look.at;
  }
  if (count(look.slots, State::coming) > 0 || count(look.slots, State::running) < least_) return {};
  if (short_looks_ >= kShortLooks) return up(look);
  return down(look);
}

ScalingDecision PoolScaler::up(const PoolLook& look) const {
  if (last_step_ && look.at - *last_step_ < kAfterUp) return {};
  const auto stay = [&look](std::string_view because) {
    return ScalingDecision{.why = fmt::format("{}; {}", look.need.shortage, because)};
  };
  const auto failed = std::ranges::find(look.slots, State::failed, &Slot::state);
  if (failed != look.slots.end()) return stay(fmt::format("slot {} does not come up: see its log", failed->number));
  if (count(look.slots, State::running) == static_cast<int>(look.slots.size())) return stay("no more are allowed");
  if (!look.memory_left) return stay("too little memory for one more");
  const auto free = std::ranges::find(look.slots, State::stopped, &Slot::state);
  if (free == look.slots.end()) return stay("the rest still end what they have");
  return {.step = Step::start, .slot = free->number, .why = look.need.shortage};
}

// The least busy one beyond the minimum that has nothing lasting; of several the highest.
ScalingDecision PoolScaler::down(const PoolLook& look) const {
  if (count(look.slots, State::running) <= least_ || !calm_since_ || look.at - *calm_since_ < down_after_) return {};
  if (last_down_ && look.at - *last_down_ < down_after_ / 2) return {};
  const auto calm = std::chrono::floor<std::chrono::seconds>(look.at - *calm_since_);
  const std::string why = fmt::format("one fewer would have done for {} s", calm.count());
  const Slot* idlest = nullptr;
  for (const Slot& slot : look.slots) {
    if (slot.number < least_ || slot.state != State::running || slot.lasting > 0) continue;
    if (!idlest || slot.busy <= idlest->busy) idlest = &slot;
  }
  if (!idlest) return {.why = why + "; those beyond the minimum have streams or jobs"};
  return {.step = Step::stop, .slot = idlest->number, .why = why};
}

void PoolScaler::acted(const ScalingDecision& decision, Clock::time_point at) {
  short_looks_ = 0;
  last_step_ = at;
  if (decision.step == Step::stop) last_down_ = at;
}

}  // namespace plugfleet
