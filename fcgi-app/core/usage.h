// What a job's row keeps of what it used. A provider's numbers may be anything; a sum over all rows must stay one.
#pragma once

#include <algorithm>

#include "core/ai_protocol.h"

namespace plugfleet {

inline Usage bounded(const Usage& usage) {
  constexpr std::int64_t kCalls = 1'000'000, kTokens = 1'000'000'000'000;
  const bool priced = usage.cost_usd > 0;  // NaN is not
  return {.calls = std::clamp<std::int64_t>(usage.calls, 0, kCalls),
          .input_tokens = std::clamp<std::int64_t>(usage.input_tokens, 0, kTokens),
          .output_tokens = std::clamp<std::int64_t>(usage.output_tokens, 0, kTokens),
          .cost_usd = priced ? std::min(usage.cost_usd, 1e6) : 0};
}

}  // namespace plugfleet
