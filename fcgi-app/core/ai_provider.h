// One AI provider as this process knows it: its keys, its breaker, how long its answers take. A call tells all three
// what came of it; whether and whom to ask is core/ai.h's.
#pragma once

#include <expected>

#include "base/metrics.h"
#include "core/ai_hedge.h"
#include "core/ai_providers.h"
#include "core/breaker.h"
#include "io/http_client.h"

namespace plugfleet {

using AiAnswer = std::expected<Completion, ProviderFault>;

class AiProvider {
 public:
  AiProvider(Reactor& reactor, HttpClient& http, Redis& redis, AiProviderSettings provider, const Settings& settings);
  AiProvider(const AiProvider&) = delete;

  const std::string& name() const { return target_.name; }
  bool can_answer(Answer wanted) const { return wanted == Answer::text || !target_.image_model.empty(); }

  // A key that does not rest; none where all others do.
  std::optional<std::size_t> choose_key(std::optional<std::size_t> except = {});

  // One call, no longer than the settings' timeout and until `deadline`. Where it is cancelled or the deadline ends it,
  // nothing is learnt of the provider; nor is it out of order for a refused key while another is left.
  Async<AiAnswer> call(std::size_t key, Breaker::Permit permit, const Prompt& prompt, const Trace& trace,
                       Clock::time_point deadline);

  // How long a call for such a prompt may be out before it is late; none while too few were seen to say.
  std::optional<Clock::duration> late_after(const Prompt& prompt);

  KeyRing keys;
  Breaker breaker;
  const Counter retries, unanswered, hedges, hedge_wins;

 private:
  LatencyWindow& latencies_of(const Prompt& prompt);
  void learn(std::size_t key, Breaker::Permit& permit, const AiAnswer& answer, Clock::time_point begun);
  void tell(std::size_t key, const ProviderFault& fault, const Trace& trace) const;

  HttpClient& http_;
  AiTarget target_;
  std::vector<std::string> key_texts_;
  Clock::duration timeout_;
  std::array<LatencyWindow, 3> latencies_;  // of texts, texts by a schema and images, which take unlike times
  Counter calls_;
  Gauge in_flight_, resting_;
  Histogram seconds_;
};

}  // namespace plugfleet
