// Asking an AI. A module says what it wants answered and how it would answer by itself; which provider is asked, how
// often, how many at once and when to stop asking is decided here, by the settings.
//
// A prompt's image is a view into the client's body and goes out as it came in: nothing is copied.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "core/ai_protocol.h"
#include "core/breaker.h"
#include "core/settings.h"
#include "io/gate.h"
#include "io/http_client.h"

namespace plugfleet {

class Ai {
 public:
  Ai(Reactor& reactor, HttpClient& http, Redis& redis, const Settings& settings);

  // Throws Failure: provider_error, provider_timeout, unavailable (with retry_after, while the breaker is open).
  // What `prompt` looks into must live until this returns. Waits for its turn among AI_IN_FLIGHT_MAX.
  Async<Completion> complete(Prompt prompt, Trace trace, Clock::time_point deadline);

  const std::string& provider() const { return target_.name; }
  bool offline() const { return target_.name == "offline"; }
  Breaker& breaker() { return breaker_; }
  std::size_t in_flight() const { return gate_.inside(); }

 private:
  Async<Completion> answer_offline(Prompt& prompt);
  Async<std::expected<Completion, ProviderFault>> ask_once(const Prompt& prompt, const Trace& trace);

  Reactor& reactor_;
  HttpClient& http_;
  AiTarget target_;
  std::int64_t attempts_;
  Clock::duration timeout_;
  Gate gate_;
  Breaker breaker_;
  Counter calls_, retries_, failures_;
  Gauge in_flight_;
  Histogram seconds_;
};

}  // namespace plugfleet
