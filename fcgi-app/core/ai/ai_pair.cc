// P5 of core/ai/ai.h: a call and, where it is late, a second one beside it.
#include <algorithm>

#include "core/ai/ai.h"
#include "io/parallel.h"

namespace plugfleet {
namespace {

constexpr Clock::duration kPauseLeast = 10ms;  // between two looks at whether a second call is possible by now

}  // namespace

struct Ai::Pair {
  Errand& errand;
  AiProvider& provider;  // the first call's, and its key
  std::size_t key;
  std::optional<AiAnswer> first{}, second{};
  AiProvider* second_at = nullptr;  // set while the second call is out, and after
};

Async<AiAnswer> Ai::call_and_hedge(Errand& errand, AiProvider& provider, std::size_t key, Breaker::Permit permit) {
  budget_.count_call();
  const auto late = hedging_ ? provider.late_after(errand.prompt) : std::nullopt;
  if (!late) {
    AiAnswer answer = co_await provider.call(key, std::move(permit), errand.prompt, errand.trace, errand.deadline);
    co_return answer;
  }
  Pair pair{errand, provider, key};
  co_await first_of_two(reactor_, first_call(pair, std::move(permit)), second_call(pair, *late));
  const bool first_good = pair.first && pair.first->has_value(), second_good = pair.second && pair.second->has_value();
  if (first_good && second_good) (*pair.first)->usage += (*pair.second)->usage;
  if (!first_good && second_good) pair.second_at->hedge_wins.add();
  co_return first_good || !second_good ? std::move(*pair.first) : std::move(*pair.second);
}

// True where the other call is of no use any more.
Async<bool> Ai::first_call(Pair& pair, Breaker::Permit permit) {
  const Errand& errand = pair.errand;
  AiAnswer answer =
      co_await pair.provider.call(pair.key, std::move(permit), errand.prompt, errand.trace, errand.deadline);
  pair.first = std::move(answer);
  co_return *pair.first || pair.first->error().blame == Blame::prompt || !pair.second_at;
}

Async<bool> Ai::second_call(Pair& pair, Clock::duration late) {
  co_await sleep_for(late);
  std::optional<std::pair<AiProvider*, std::size_t>> second;
  for (;;) {
    if (budget_.has_one() && gate_.has_room()) second = choose_second(pair);
    if (second) break;
    co_await sleep_for(std::max(late / 4, kPauseLeast));
  }
  budget_.take_one();
  AiProvider& provider = *second->first;
  const Gate::Pass pass = co_await gate_.enter();
  Breaker::Permit permit = co_await provider.model(pair.errand.prompt.wants).breaker.admit();
  if (!permit.allowed()) co_return false;
  provider.hedges.add();
  pair.second_at = &provider;
  const Errand& errand = pair.errand;
  AiAnswer answer =
      co_await provider.call(second->second, std::move(permit), errand.prompt, errand.trace, errand.deadline);
  pair.second = std::move(answer);
  co_return pair.second->has_value();
}

// Another key of the same provider, else another provider that is in order, else the same key.
std::optional<std::pair<AiProvider*, std::size_t>> Ai::choose_second(const Pair& pair) {
  const Answer wanted = pair.errand.prompt.wants;
  if (const auto key = pair.provider.choose_key(wanted, pair.key)) return std::pair{&pair.provider, *key};
  for (const auto& other : providers_) {
    if (other.get() == &pair.provider || !other->can_answer(wanted)) continue;
    if (other->model(wanted).breaker.view().state != BreakerState::closed) continue;
    if (const auto key = other->choose_key(wanted)) return std::pair{other.get(), *key};
  }
  if (pair.provider.model(wanted).keys.rests(pair.key, Clock::now())) return std::nullopt;
  return std::pair{&pair.provider, pair.key};
}

}  // namespace plugfleet
