// Asking an AI. A module says what it wants answered and how it would answer by itself; which provider is asked with
// which key, how often, how many at once and when to stop asking is decided here, by the settings.
//
//   P1  Providers are asked in AI_PROVIDER's order. One that has failed AI_ATTEMPTS times, is out of order (its breaker
//       says) or whose keys all rest gives way to the next, and so does one whose answer another try would not mend.
//       One without a model for images is not asked for them; what is found out of one model says nothing of the other.
//   P2  A refused key (401, 402, 403) or a limited one (429) rests (core/ai/ai_keys.h), and another key, then another
//       provider, is asked at once: that is none of the attempts. Only where all rest is there a wait, until the first
//       limited one is back, of 30 s in all at most.
//   P3  A prompt that was refused for what it says is sent to nobody else: a refusal of what it says, by its word or
//       its code, not of the model's name or of how it was asked. One refused for how it was asked (by a schema, say)
//       is asked once more plainly.
//   P4  Where nobody is left, a provider whose keys are all refused is asked all the same, with one of them: a bill may
//       have been paid. Its breaker says how often.
//   P5  A call that is late is made a second time (core/ai/ai_hedge.h), at another key or provider where there is one.
//       The first good answer counts and the other call is broken off; where both fail, the first one's fault counts.
//   P6  After the deadline nothing is asked any more, and no wait goes beyond it.
//   P7  Where a job is told to wait (base/failure.h: Retry::later) no call was an attempt: there was none, or each one
//       was told when to come back, or was a breaker's probe. It fails for good (Retry::never) where each provider did
//       and none has to be waited for: what was asked was refused, or no second try with that key would have helped
//       although neither the key nor the provider's health was to blame.
//
// A prompt's image is a view into the client's body and goes out as it came in: nothing is copied.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/ai/ai_provider.h"
#include "io/gate.h"

namespace plugfleet {

enum class AiState { ok, offline, probing, open, no_key };

struct AiView {
  AiState state;
  WallClock::time_point until;  // of `open`: when the first provider may be tried again
};

class Ai {
 public:
  Ai(Reactor& reactor, HttpClient& http, Redis& redis, const Settings& settings);

  // Throws Failure: provider_error, provider_timeout; by P7 provider_refused, provider_limited and provider_closed,
  // these two with retry_after, as any other has while somebody can't be asked.
  // What `prompt` looks into must live until this returns. Waits for its turn among AI_IN_FLIGHT_MAX.
  Async<Completion> complete(Prompt prompt, Trace trace, Clock::time_point deadline);

  // Who can be asked for texts, as far as this process knows and without a call: ok where it is a provider, offline
  // where it is only the module, else the best that is to be said of a provider.
  Async<AiView> look();
  std::size_t in_flight() const { return gate_.inside(); }

 private:
  struct Errand;
  struct Pair;
  enum class Keys { awake, refused_too };

  Async<std::optional<Completion>> ask_in_order(Errand& errand, Keys which);
  Async<std::optional<Completion>> ask_provider(Errand& errand, std::size_t index, Keys which);
  Async<std::optional<AiAnswer>> try_once(Errand& errand, AiProvider& provider, Keys which);
  void give_up(Errand& errand, std::size_t index);
  std::optional<Clock::time_point> first_back(const Errand& errand) const;
  Async<Completion> answer_offline(Prompt& prompt);

  // core/ai/ai_pair.cc
  Async<AiAnswer> call_and_hedge(Errand& errand, AiProvider& provider, std::size_t key, Breaker::Permit permit);
  Async<bool> first_call(Pair& pair, Breaker::Permit permit);
  Async<bool> second_call(Pair& pair, Clock::duration late);
  std::optional<std::pair<AiProvider*, std::size_t>> choose_second(const Pair& pair);

  Reactor& reactor_;
  std::vector<std::unique_ptr<AiProvider>> providers_;
  bool offline_;
  std::int64_t attempts_;
  Gate gate_;
  bool hedging_;
  HedgeBudget budget_;
  Counter offline_calls_;
};

// One complete() on its way.
struct Ai::Errand {
  struct Tries {
    std::int64_t attempts = 0;
    bool over = false;
  };
  Prompt& prompt;
  const Trace& trace;
  Clock::time_point deadline;
  struct Closed {
    Failure why;
    Clock::time_point until;
  };
  std::vector<Tries> tries;          // at each provider
  Clock::duration waited{};          // for limited keys
  std::optional<Failure> failure{};  // the latest; one that is for good only where no other was
  std::optional<Closed> closed{};    // why somebody can't be asked: of those, the one who is back first

  void note(const ProviderFault& fault, bool probe);
  void note_closed(Failure why, Clock::duration wait);
  Failure end() const;
};

}  // namespace plugfleet
