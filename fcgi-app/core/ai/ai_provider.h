// One AI provider as this process knows it: its keys, its breakers, how long its answers take. A call tells all three
// what came of it; whether and whom to ask is core/ai/ai.h's.
//
// A provider has a model for texts and one for images, and what a call finds out is known of the model that it asked
// alone: a key may be good for one of them only, and one may be limited or out of order while the other is not. A key
// that is wrong altogether costs one call more.
#pragma once

#include <expected>

#include "base/metrics.h"
#include "core/ai/ai_hedge.h"
#include "core/ai/ai_providers.h"
#include "core/ai/breaker.h"
#include "io/http_client.h"

namespace plugfleet {

using AiAnswer = std::expected<Completion, ProviderFault>;

class AiProvider {
 public:
  AiProvider(Reactor& reactor, HttpClient& http, Redis& redis, AiProviderSettings provider, const Settings& settings);
  AiProvider(const AiProvider&) = delete;

  const std::string& name() const { return target_.name; }
  bool can_answer(Answer wanted) const { return wanted == Answer::text || !target_.image_model.empty(); }

  struct Model {
    std::string name;  // in the log and in metrics: the provider's, or for images "openai-images"
    KeyRing keys;
    Breaker breaker;
    Gauge resting;
  };
  Model& model(Answer wanted) { return wanted == Answer::image ? for_images_ : for_texts_; }

  // A key that does not rest; none where all others do.
  std::optional<std::size_t> choose_key(Answer wanted, std::optional<std::size_t> except = {});

  // One call, no longer than the settings' timeout and until `deadline`. Where it is cancelled or the deadline ends it,
  // nothing is learnt of the provider; nor is it out of order for a refused key while another is left.
  Async<AiAnswer> call(std::size_t key, Breaker::Permit permit, const Prompt& prompt, const Trace& trace,
                       Clock::time_point deadline);

  // How long a call for such a prompt may be out before it is late; none while too few were seen to say.
  std::optional<Clock::duration> late_after(const Prompt& prompt);

  const Counter retries, unanswered, hedges, hedge_wins;

 private:
  LatencyWindow& latencies_of(const Prompt& prompt);
  void learn(Model& of, std::size_t key, Breaker::Permit& permit, const AiAnswer& answer, Clock::time_point begun);
  void tell(std::size_t key, const ProviderFault& fault, const Trace& trace) const;

  Reactor& reactor_;
  HttpClient& http_;
  Model for_texts_, for_images_;
  AiTarget target_;
  std::vector<std::string> key_texts_;
  Clock::duration timeout_;
  std::size_t image_reply_max_;
  std::array<LatencyWindow, 3> latencies_;  // of texts, texts by a schema and images, which take unlike times
  Counter calls_;
  Gauge in_flight_;
  Histogram seconds_;
};

}  // namespace plugfleet
