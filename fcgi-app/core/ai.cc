#include "core/ai.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "base/log.h"

namespace plugfleet {
namespace {

constexpr auto kBackoffFirst = 500ms;
constexpr auto kBackoffMost = 8s;
constexpr auto kRetryAfterMost = 30s;  // a provider that asks for longer is not waited for
constexpr std::size_t kReplyMax = 256 * 1024;

// Half to all of 500 ms, 1 s, 2 s, ... 8 s: those who failed together do not come back together.
Clock::duration backoff(std::int64_t attempt) {
  const auto full =
      std::min<Clock::duration>(kBackoffFirst * (1LL << std::min<std::int64_t>(attempt - 1, 10)), kBackoffMost);
  return full / 2 + full / 2 * static_cast<std::int64_t>(random_u64() % 1024) / 1024;
}

std::string label(const AiTarget& target) { return fmt::format("provider=\"{}\"", target.name); }

}  // namespace

Ai::Ai(Reactor& reactor, HttpClient& http, Redis& redis, const Settings& settings)
    : reactor_(reactor),
      http_(http),
      target_(choose_target(settings)),
      attempts_(settings.ai_attempts),
      timeout_(settings.ai_timeout),
      gate_(static_cast<std::size_t>(settings.ai_in_flight_max)),
      breaker_(reactor, redis, target_.name,
               {.failures = static_cast<int>(settings.breaker_failures),
                .window = settings.breaker_window,
                .open_for = settings.breaker_open_for}),
      calls_(counter("plugfleet_ai_calls_total", label(target_))),
      retries_(counter("plugfleet_ai_retries_total", label(target_))),
      failures_(counter("plugfleet_ai_failures_total", label(target_))),
      in_flight_(gauge("plugfleet_ai_in_flight", label(target_))),
      seconds_(histogram("plugfleet_ai_call_seconds", label(target_))) {}

Async<Completion> Ai::complete(Prompt prompt, Trace trace, Clock::time_point deadline) {
  if (offline()) {
    Completion completion = co_await answer_offline(prompt);
    co_return completion;
  }
  for (std::int64_t attempt = 1;; ++attempt) {
    auto answer = co_await ask_once(prompt, trace);
    if (answer) co_return std::move(*answer);
    const ProviderFault& fault = answer.error();
    const auto asked_to_wait = fault.failure.retry_after();
    if (!fault.retryable || attempt >= attempts_ || Clock::now() >= deadline || (asked_to_wait && *asked_to_wait > kRetryAfterMost)) {
      failures_.add();
      throw fault.failure;
    }
    retries_.add();
    co_await sleep_for(std::max<Clock::duration>(backoff(attempt), asked_to_wait.value_or(0ms)));
  }
}

Async<Completion> Ai::answer_offline(Prompt& prompt) {
  const Gate::Pass pass = co_await gate_.enter();
  calls_.add();
  std::string text = co_await reactor_.offload(prompt.offline);
  co_return Completion{.text = std::move(text), .model = "offline"};
}

// One call. It holds its place at the gate only while it is out, not while it waits to be tried again.
Async<std::expected<Completion, ProviderFault>> Ai::ask_once(const Prompt& prompt, const Trace& trace) {
  const Gate::Pass pass = co_await gate_.enter();
  Breaker::Permit permit = co_await breaker_.admit();
  if (!permit.allowed()) {
    co_return std::unexpected(ProviderFault{
        Failure(Kind::unavailable, "the AI provider is out of order").retry_after(permit.retry_after()), false});
  }
  struct InFlight {
    const Gauge& gauge;
    explicit InFlight(const Gauge& g) : gauge(g) { gauge.add(1); }
    ~InFlight() { gauge.add(-1); }
  } const counted(in_flight_);
  calls_.add();
  ProviderCall call = make_call(target_, prompt, trace);
  call.request.trace = trace.id;
  call.request.timeout = timeout_;
  call.request.reply_max = kReplyMax;
  const auto before = Clock::now();
  std::optional<ProviderFault> broken;
  HttpReply reply;
  try {
    reply = co_await http_.send(std::move(call.request));
  } catch (const Failure& failure) {
    if (failure.kind() == Kind::cancelled) throw;
    broken = ProviderFault{failure, true, true};
  }
  seconds_.observe(Clock::now() - before);
  auto answer = broken ? std::unexpected(std::move(*broken)) : read_reply(target_, std::move(reply));
  permit.record(answer || !answer.error().outage ? CallResult::success : CallResult::failure);
  if (!answer && !answer.error().said.empty()) {
    const ProviderFault& refusal = answer.error();
    log(Severity::warning, "provider_refused",
        {{"trace", trace.id}, {"why", refusal.failure.message()}, {"said", refusal.said}});
  }
  co_return answer;
}

}  // namespace plugfleet
