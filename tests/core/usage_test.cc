#include "core/usage.h"

#include <cmath>
#include <limits>

#include "support/check.h"

using namespace plugfleet;

TEST(usage_adds_up) {
  Usage sum{.calls = 1, .input_tokens = 2, .output_tokens = 3, .cost_usd = 0.5};
  sum += {.calls = 10, .input_tokens = 20, .output_tokens = 30, .cost_usd = 0.25};
  CHECK_EQ(sum.calls, 11);
  CHECK_EQ(sum.input_tokens, 22);
  CHECK_EQ(sum.output_tokens, 33);
  CHECK_EQ(sum.cost_usd, 0.75);
}

TEST(a_row_keeps_nothing_that_would_spoil_a_sum) {
  const auto most = std::numeric_limits<std::int64_t>::max();
  const Usage high = bounded({.calls = most, .input_tokens = most, .output_tokens = most, .cost_usd = INFINITY});
  CHECK_EQ(high.calls, 1'000'000);
  CHECK_EQ(high.input_tokens, 1'000'000'000'000);
  CHECK_EQ(high.output_tokens, 1'000'000'000'000);
  CHECK_EQ(high.cost_usd, 1e6);
  const Usage low = bounded({.calls = -1, .input_tokens = -1, .output_tokens = -1, .cost_usd = NAN});
  CHECK_EQ(low.calls + low.input_tokens + low.output_tokens, 0);
  CHECK_EQ(low.cost_usd, 0.0);
  CHECK_EQ(bounded({.cost_usd = -2}).cost_usd, 0.0);
}
