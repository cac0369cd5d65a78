// The keys of one AI provider's model: which is used next, and which rest because the provider would not take them. All
// times are the caller's. What is learnt here this process alone knows: each process finds out by a call of its own.
//
//   K1  Among those that do not rest, one is chosen by chance, in proportion to their weights; one of weight 0 only
//       where all others rest.
//   K2  A refused key (401, 402, 403) rests for 60 s, twice as long each time it is refused again, 15 min at most,
//       until it is accepted.
//   K3  When a refused key has rested, one call tries it; the others pass it by until that has found out, or for 60 s.
//   K4  A limited key (429) rests for as long as the provider asks, 1 s where it does not say, 60 s at most. So do all
//       keys of a provider that is out of order and says for how long.
//   K5  Calls that were out together are one lesson: what began before the last refusal changes no refusal.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace plugfleet {

struct AiKey {
  std::string text;
  int weight = 1;
};

// "sk-a*3, sk-b": separated by commas or line ends, each with its weight (0 to 100) or without. `complain` gets a
// sentence for each wrong part, which never shows a key; the parts that are right are given back all the same.
std::vector<AiKey> read_keys(std::string_view text, const std::function<void(std::string)>& complain);

std::string ordinal(std::size_t number);  // 1 -> "1st"

class KeyRing {
 public:
  explicit KeyRing(std::vector<AiKey> keys);

  // K1, by `dice`, which is any number; `except` is passed by. None where all others rest.
  std::optional<std::size_t> choose(Clock::time_point now, std::uint64_t dice, std::optional<std::size_t> except = {});
  // Whose rest ends first, for when nobody else is left to ask.
  std::size_t back_first() const;

  // What came of a call with that key. `refused` says how long the key rests now; none where K5 makes it no news.
  std::optional<Clock::duration> refused(std::size_t key, Clock::time_point begun, Clock::time_point now);
  void limited(std::size_t key, Clock::time_point now, std::optional<Clock::duration> wait);
  void accepted(std::size_t key, Clock::time_point begun);

  std::size_t size() const { return keys_.size(); }
  bool rests(std::size_t key, Clock::time_point now) const;
  std::size_t resting(Clock::time_point now) const;
  bool all_refused(Clock::time_point now) const;
  // When the first of those that are limited and not refused is back; none where there is none.
  std::optional<Clock::time_point> limited_until(Clock::time_point now) const;

 private:
  struct Key {
    int weight = 1;
    Clock::time_point refused_at{}, refused_until{}, limited_until{};
    Clock::duration rest{};  // the last one; zero: not refused since it was accepted
  };
  std::vector<Key> keys_;
};

}  // namespace plugfleet
