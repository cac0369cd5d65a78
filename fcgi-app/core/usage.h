// What a piece of work used of the AI.
#pragma once

#include <algorithm>
#include <cstdint>

namespace plugfleet {

// What a provider's `usage` says. Zero where it does not say.
struct Usage {
  std::int64_t calls = 0, input_tokens = 0, output_tokens = 0;
  double cost_usd = 0;
  void fields(auto& f) const {
    f("ai_calls", calls);
    f("input_tokens", input_tokens);
    f("output_tokens", output_tokens);
    f("cost_usd", cost_usd);
  }

  Usage& operator+=(const Usage& other) {
    calls += other.calls;
    input_tokens += other.input_tokens;
    output_tokens += other.output_tokens;
    cost_usd += other.cost_usd;
    return *this;
  }
};

// What a row keeps of it. A provider's numbers may be anything; a sum over all rows must stay one.
inline Usage bounded(const Usage& usage) {
  constexpr std::int64_t kCalls = 1'000'000, kTokens = 1'000'000'000'000;
  const bool priced = usage.cost_usd > 0;  // NaN is not
  return {.calls = std::clamp<std::int64_t>(usage.calls, 0, kCalls),
          .input_tokens = std::clamp<std::int64_t>(usage.input_tokens, 0, kTokens),
          .output_tokens = std::clamp<std::int64_t>(usage.output_tokens, 0, kTokens),
          .cost_usd = priced ? std::min(usage.cost_usd, 1e6) : 0};
}

}  // namespace plugfleet
