#include "core/ai/ai.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "wire/base64.h"
#include "wire/image.h"

namespace plugfleet {
namespace {

constexpr auto kBackoffFirst = 500ms;
constexpr auto kBackoffMost = 8s;
constexpr auto kWaitMost = 30s;      // who asks for longer is not waited for
constexpr auto kClosedDefault = 1s;  // for who does not say how long

// `full`, less or more by chance: those who failed together do not come back together.
Clock::duration part_of(Clock::duration full) { return full * static_cast<std::int64_t>(random_u64() % 1024) / 1024; }

// Half to all of 500 ms, 1 s, 2 s, ... 8 s.
Clock::duration backoff(std::int64_t attempt) {
  const auto full =
      std::min<Clock::duration>(kBackoffFirst * (1LL << std::min<std::int64_t>(attempt - 1, 10)), kBackoffMost);
  return full / 2 + part_of(full / 2);
}

}  // namespace

Ai::Ai(Reactor& reactor, HttpClient& http, Redis& redis, const Settings& settings)
    : reactor_(reactor),
      attempts_(settings.ai_attempts),
      gate_(static_cast<std::size_t>(settings.ai_in_flight_max)),
      hedging_(settings.ai_hedge_percent > 0),
      budget_(settings.ai_hedge_percent),
      offline_calls_(counter("plugfleet_ai_calls_total", "provider=\"offline\"", "Calls to the provider.")) {
  AiOrder order = read_ai_order(settings, [](const std::string&) {});  // was complained of when the settings were read
  offline_ = order.offline;
  for (AiProviderSettings& provider : order.providers) {
    providers_.push_back(std::make_unique<AiProvider>(reactor, http, redis, std::move(provider), settings));
  }
}

Async<Completion> Ai::complete(Prompt prompt, Trace trace, Clock::time_point deadline) {
  Errand errand{prompt, trace, deadline, std::vector<Errand::Tries>(providers_.size())};
  for (;;) {
    auto answer = co_await ask_in_order(errand, Keys::awake);
    if (answer) co_return std::move(*answer);
    if (offline_ && prompt.offline) {
      Completion own = co_await answer_offline(prompt);
      co_return own;
    }
    auto back = first_back(errand);
    if (!back) {
      answer = co_await ask_in_order(errand, Keys::refused_too);
      if (answer) co_return std::move(*answer);
      back = first_back(errand);
    }
    if (!back) break;
    const auto now = Clock::now();
    const auto wait = *back - now + part_of((*back - now) / 4);
    if (errand.waited + wait > kWaitMost || now + wait >= deadline) {
      if (!errand.closed || errand.closed->until <= now)
        errand.note_closed(Failure(FailureKind::provider_closed, "the AI provider wants to be asked less often"), wait);
      break;
    }
    errand.waited += wait;
    co_await sleep_for(wait);
  }
  for (std::size_t i = 0; i < providers_.size(); ++i) {
    if (errand.tries[i].attempts > 0 && !errand.tries[i].over) give_up(errand, i);
  }
  throw errand.end();
}

// P7. `probe`: it was a breaker's.
void Ai::Errand::note(const ProviderFault& fault, bool probe) {
  const Failure& its = fault.failure;
  const bool down = fault.blame == Blame::outage || fault.blame == Blame::key;
  if (fault.blame == Blame::limit || (fault.blame == Blame::outage && its.retry_after()) || (down && probe))
    return note_closed(Failure(FailureKind::provider_limited, its.message()),
                       its.retry_after().value_or(kClosedDefault));
  const bool for_good = fault.blame == Blame::prompt || (fault.blame == Blame::call && !fault.retryable);
  if (!for_good) {
    failure = its;
  } else if (!failure) {
    failure = Failure(FailureKind::provider_refused, its.message());
  }
}

void Ai::Errand::note_closed(Failure why, Clock::duration wait) {
  const auto now = Clock::now();
  const bool one_is_back_sooner = closed && closed->until > now && closed->until <= now + wait;
  if (!one_is_back_sooner) closed = {std::move(why), now + wait};
}

Failure Ai::Errand::end() const {
  if (!closed) return failure.value_or(Failure(FailureKind::provider_refused, "no AI provider is set up for this"));
  const bool for_good = failure && info(failure->kind()).retry == Retry::never;
  Failure last = for_good ? Failure(FailureKind::provider_error, failure->message()) : failure.value_or(closed->why);
  const auto wait = std::chrono::ceil<milliseconds>(closed->until - Clock::now());
  return std::move(last).retry_after(std::max(wait, 1ms));
}

Async<std::optional<Completion>> Ai::ask_in_order(Errand& errand, Keys which) {
  for (std::size_t i = 0; i < providers_.size(); ++i) {
    if (errand.tries[i].over || !providers_[i]->can_answer(errand.prompt.wants)) continue;
    auto answer = co_await ask_provider(errand, i, which);
    if (answer) co_return answer;
  }
  co_return std::nullopt;
}

// None where it gave up, or where its keys rest and one of them may be waited for.
Async<std::optional<Completion>> Ai::ask_provider(Errand& errand, std::size_t index, Keys which) {
  AiProvider& provider = *providers_[index];
  const KeyRing& keys = provider.model(errand.prompt.wants).keys;
  Errand::Tries& tries = errand.tries[index];
  for (std::size_t moves = 0;;) {
    auto answer = co_await try_once(errand, provider, which);
    if (!answer) co_return std::nullopt;
    if (*answer) co_return std::move(**answer);
    const ProviderFault& fault = answer->error();
    if (fault.form && !errand.prompt.plain && (!errand.prompt.schema.empty() || errand.prompt.wants == Answer::image)) {
      errand.prompt.plain = true;
      continue;
    }
    if (fault.blame == Blame::prompt) {
      give_up(errand, index);
      throw Failure(FailureKind::provider_refused, fault.failure.message());
    }
    const auto now = Clock::now();
    if (fault.blame == Blame::key || fault.blame == Blame::limit) {
      if (keys.resting(now) < keys.size() && moves++ < keys.size()) continue;
      if (fault.blame == Blame::limit) ++tries.attempts;
      if (tries.attempts >= attempts_ || !keys.limited_until(now)) give_up(errand, index);
      co_return std::nullopt;
    }
    const auto asked_to_wait = fault.failure.retry_after().value_or(0ms);
    const auto wait = std::max<Clock::duration>(backoff(++tries.attempts), asked_to_wait);
    if (!fault.retryable || tries.attempts >= attempts_ || asked_to_wait > kWaitMost || now + wait >= errand.deadline) {
      give_up(errand, index);
      co_return std::nullopt;
    }
    provider.retries.add();
    co_await sleep_for(wait);
  }
}

// One call, with its hedge; none where all keys rest. It holds its place at the gate only while it is out, not while it
// waits to be tried again.
Async<std::optional<AiAnswer>> Ai::try_once(Errand& errand, AiProvider& provider, Keys which) {
  AiProvider::Model& model = provider.model(errand.prompt.wants);
  const bool awake = model.keys.resting(Clock::now()) < model.keys.size();
  if (!awake && which == Keys::awake) co_return std::nullopt;
  const Gate::Pass pass = co_await gate_.enter();
  auto key = provider.choose_key(errand.prompt.wants);
  if (!key && which == Keys::refused_too) key = model.keys.back_first();
  if (!key) co_return std::nullopt;
  Breaker::Permit permit = co_await model.breaker.admit();
  if (!permit.allowed()) {
    const Failure why(FailureKind::provider_closed, "the AI provider is out of order");
    errand.note_closed(why, permit.retry_after());
    co_return std::unexpected(ProviderFault{why});
  }
  if (Clock::now() >= errand.deadline) {
    errand.failure = Failure(FailureKind::provider_timeout, "no time is left to ask the AI provider");
    co_return std::unexpected(ProviderFault{*errand.failure});
  }
  const bool probe = permit.is_probe();
  AiAnswer answer = co_await call_and_hedge(errand, provider, *key, std::move(permit));
  if (!answer) errand.note(answer.error(), probe);
  co_return answer;
}

void Ai::give_up(Errand& errand, std::size_t index) {
  errand.tries[index].over = true;
  providers_[index]->unanswered.add();
}

// When the first limited key is back of a provider that may still be asked.
std::optional<Clock::time_point> Ai::first_back(const Errand& errand) const {
  std::optional<Clock::time_point> first;
  for (std::size_t i = 0; i < providers_.size(); ++i) {
    if (errand.tries[i].over || !providers_[i]->can_answer(errand.prompt.wants)) continue;
    const auto back = providers_[i]->model(errand.prompt.wants).keys.limited_until(Clock::now());
    if (back && (!first || *back < *first)) first = back;
  }
  return first;
}

Async<Completion> Ai::answer_offline(Prompt& prompt) {
  const Gate::Pass pass = co_await gate_.enter();
  offline_calls_.add();
  std::string said = co_await reactor_.offload(prompt.offline);
  if (prompt.wants == Answer::text) co_return Completion{.text = std::move(said), .model = "offline"};
  const auto head = decode_base64_prefix(said, kSniffBytes);
  const auto format = head ? sniff_image(*head) : std::nullopt;
  if (!format) throw Failure(FailureKind::internal, "the module's own image is none");
  co_return Completion{.image = GeneratedImage{std::string(media_type(*format)), std::move(said)}, .model = "offline"};
}

Async<AiView> Ai::look() {
  AiView best{offline_ ? AiState::offline : AiState::no_key, WallClock::time_point::max()};
  for (const auto& provider : providers_) {
    AiProvider::Model& texts = provider->model(Answer::text);
    const BreakerView view = co_await texts.breaker.look();
    const bool has_key = !texts.keys.all_refused(Clock::now());
    if (view.state == BreakerState::closed && has_key) co_return AiView{AiState::ok, {}};
    if (offline_) continue;
    if (view.state == BreakerState::half_open) best.state = AiState::probing;
    if (view.state == BreakerState::open && best.state != AiState::probing)
      best = {AiState::open, std::min(best.until, view.until)};
  }
  co_return best;
}

}  // namespace plugfleet
