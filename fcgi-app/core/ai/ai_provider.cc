#include "core/ai/ai_provider.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "base/log.h"

namespace plugfleet {
namespace {

std::string label(const AiProviderSettings& provider) { return fmt::format("provider=\"{}\"", provider.target.name); }

constexpr Clock::duration kLateLeast = 50ms;     // what is over sooner anyway is not worth a second call
constexpr std::size_t kLargeReply = 256 * 1024;  // reading it would hold up everybody else
constexpr auto kCurlsMillisecond = 5ms;          // its timeouts are whole ones, and end a little early

struct InFlight {
  const Gauge& gauge;
  explicit InFlight(const Gauge& g) : gauge(g) { gauge.add(1); }
  ~InFlight() { gauge.add(-1); }
};

AiProvider::Model make_model(Reactor& reactor, Redis& redis, const AiProviderSettings& provider,
                             const Settings& settings, const std::string& name) {
  return {.name = name,
          .keys = KeyRing(provider.keys),
          .breaker = Breaker(reactor, redis, name,
                             {.failures = static_cast<int>(settings.breaker_failures),
                              .window = settings.breaker_window,
                              .open_for = settings.breaker_open_for}),
          .resting = gauge("plugfleet_ai_keys_resting", fmt::format("provider=\"{}\"", name),
                           "Keys that are not used for a while.")};
}

// On another thread where it takes its time.
Async<AiAnswer> read_aside(Reactor& reactor, AiTarget target, HttpReply reply, Answer wants) {
  const bool large = reply.body.size() > kLargeReply;
  std::function<AiAnswer()> read = [&] { return read_reply(target, std::move(reply), wants); };
  if (!large) co_return read();
  AiAnswer answer = co_await reactor.offload(std::move(read));
  co_return answer;
}

}  // namespace

AiProvider::AiProvider(Reactor& reactor, HttpClient& http, Redis& redis, AiProviderSettings provider,
                       const Settings& settings)
    : retries(counter("plugfleet_ai_retries_total", label(provider), "Calls made again after one failed.")),
      unanswered(counter("plugfleet_ai_failures_total", label(provider), "Calls that had no answer after every try.")),
      hedges(counter("plugfleet_ai_hedges_total", label(provider), "Second calls made because the first was slow.")),
      hedge_wins(counter("plugfleet_ai_hedge_wins_total", label(provider), "Second calls that answered first.")),
      reactor_(reactor),
      http_(http),
      for_texts_(make_model(reactor, redis, provider, settings, provider.target.name)),
      for_images_(make_model(reactor, redis, provider, settings, provider.target.name + "-images")),
      timeout_(settings.ai_timeout),
      image_reply_max_(settings.ai_image_reply_max),
      calls_(counter("plugfleet_ai_calls_total", label(provider))),
      in_flight_(gauge("plugfleet_ai_in_flight", label(provider), "Calls that wait for the provider.")),
      seconds_(histogram("plugfleet_ai_call_seconds", label(provider), "How long a call took.")) {
  for (AiKey& key : provider.keys) key_texts_.push_back(std::move(key.text));
  target_ = std::move(provider.target);
}

std::optional<std::size_t> AiProvider::choose_key(Answer wanted, std::optional<std::size_t> except) {
  Model& of = model(wanted);
  const auto now = Clock::now();
  const auto key = of.keys.choose(now, random_u64(), except);
  of.resting.set(static_cast<std::int64_t>(of.keys.resting(now)));
  return key;
}

LatencyWindow& AiProvider::latencies_of(const Prompt& prompt) {
  return latencies_[prompt.wants == Answer::image ? 2 : prompt.schema.empty() ? 0 : 1];
}

std::optional<Clock::duration> AiProvider::late_after(const Prompt& prompt) {
  const auto p95 = latencies_of(prompt).p95(Clock::now());
  return p95 ? std::optional(std::max(*p95, kLateLeast)) : std::nullopt;
}

Async<AiAnswer> AiProvider::call(std::size_t key, Breaker::Permit permit, const Prompt& prompt, const Trace& trace,
                                 Clock::time_point deadline) {
  const InFlight counted(in_flight_);
  calls_.add();
  AiTarget target = target_;
  target.api_key = key_texts_[key];
  ProviderCall call = make_call(target, prompt, trace);
  const auto begun = Clock::now();
  call.request.trace = trace.id;
  call.request.timeout = std::min(timeout_, deadline - begun);
  if (prompt.wants == Answer::image) call.request.reply_max = image_reply_max_;
  std::optional<ProviderFault> broken;
  HttpReply reply;
  try {
    reply = co_await http_.send(std::move(call.request));
  } catch (const Failure& failure) {
    const bool in_time = Clock::now() + kCurlsMillisecond < deadline;
    broken = ProviderFault{failure, true, in_time ? Blame::outage : Blame::call};
  }
  seconds_.observe(Clock::now() - begun);
  AiAnswer answer;
  if (broken) {
    answer = std::unexpected(std::move(*broken));
  } else {
    AiAnswer read = co_await read_aside(reactor_, std::move(target), std::move(reply), prompt.wants);
    answer = std::move(read);
  }
  if (answer) latencies_of(prompt).record(Clock::now() - begun, Clock::now());
  if (!broken || answer.error().blame == Blame::outage) learn(model(prompt.wants), key, permit, answer, begun);
  if (!answer) tell(key, answer.error(), trace);
  co_return answer;
}

void AiProvider::learn(Model& of, std::size_t key, Breaker::Permit& permit, const AiAnswer& answer,
                       Clock::time_point begun) {
  const auto now = Clock::now();
  if (!answer && answer.error().blame == Blame::key) {
    if (const auto rest = of.keys.refused(key, begun, now)) {
      log(Severity::warning, "ai_key_rests",
          {{"provider", of.name},
           {"key", key + 1},
           {"for_s", std::chrono::duration_cast<std::chrono::seconds>(*rest).count()}});
    }
    if (of.keys.all_refused(now)) permit.record(CallResult::failure);
  } else if (!answer && answer.error().blame == Blame::outage) {
    permit.record(CallResult::failure);
    if (const auto wait = answer.error().failure.retry_after()) {  // it says so of itself, not of this key
      for (std::size_t each = 0; each < of.keys.size(); ++each) of.keys.limited(each, now, *wait);
    }
  } else {
    permit.record(CallResult::success);
    of.keys.accepted(key, begun);
    if (!answer && answer.error().blame == Blame::limit)
      of.keys.limited(key, now, answer.error().failure.retry_after());
  }
  of.resting.set(static_cast<std::int64_t>(of.keys.resting(now)));
}

void AiProvider::tell(std::size_t key, const ProviderFault& fault, const Trace& trace) const {
  if (fault.said.empty()) return;
  log(Severity::warning, "provider_refused",
      {{"trace", trace.id},
       {"provider", name()},
       {"key", key + 1},
       {"why", fault.failure.message()},
       {"said", fault.said}});
}

}  // namespace plugfleet
