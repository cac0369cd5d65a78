#include "host/holder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "base/metrics.h"

namespace plugfleet {
namespace {

constexpr auto kLookEvery = 10ms;    // while a worker comes up
constexpr auto kWatchEvery = 100ms;  // while there is one
constexpr auto kStartAgain = 100ms;  // where every slot still ends what it had
constexpr auto kNginxLetsGo = 10s;   // of kept connections: its keepalive_time and more

Reply not_up(const Incoming& incoming) {
  return error_reply(Failure(FailureKind::unavailable, "The service does not start; try again in a moment."),
                     incoming.param("TRACE_ID"));
}

}  // namespace

// Answers everybody 503.
struct Holder::Refusal : FastcgiHandler {
  Async<Reply> serve(Incoming& incoming) override { co_return not_up(incoming); }
  Reply failed(Incoming& incoming, std::exception_ptr) override { return not_up(incoming); }
  void finished(Incoming&, const Reply&) override {}
};

Holder::Holder(Reactor& reactor, HttpClient& http, Pool pool)
    : reactor_(reactor), pool_(std::move(pool)), supervisor_(http, pool_.run_dir + "/supervisor.sock") {}

Holder::~Holder() = default;

Async<void> Holder::run() {
  for (;;) {
    co_await a_client_waits();
    const bool up = co_await one_comes_up();
    if (!up) co_await refuse_until_one_is_up();
    while (a_worker_is_ready()) co_await sleep_for(kWatchEvery);
  }
}

bool Holder::a_worker_is_ready() const {
  return std::ranges::any_of(
      metrics_by_process(pool_.run_dir + "/metrics", pool_.name), [this](const ProcessMetrics& process) {
        return process.pool == pool_.name && process.alive &&
               std::ranges::any_of(process.metrics, [](const Metric& metric) {
                 return metric.name == "plugfleet_ready" && metric.type == 'g' && metric.value == 1;
               });
      });
}

Async<void> Holder::a_client_waits() {
  Waiter waits;
  FdWatch watch(reactor_, pool_.fd,
                [&waits, &watch] {
                  watch.want_read(false);
                  waits.resume();
                },
                {});
  watch.want_read(true);
  co_await waits.wait();
}

Async<bool> Holder::one_comes_up() {
  const auto begun = Clock::now();
  bool started = false;
  while (!a_worker_is_ready()) {
    if (Clock::now() - begun > kComesUpWithin) co_return false;
    if (!started) {
      started = co_await start_one();
    }
    co_await sleep_for(started ? Clock::duration(kLookEvery) : Clock::duration(kStartAgain));
  }
  log(Severity::info, "pool_started_on_demand", {{"pool", pool_.name}, {"ms", to_ms(Clock::now() - begun)}});
  co_return true;
}

Async<void> Holder::refuse_until_one_is_up() {
  log(Severity::error, "pool_does_not_start", {{"pool", pool_.name}});
  Refusal refusal;
  FastcgiServer server(reactor_, pool_.fd, refusal, {});
  for (auto tried = Clock::now(); !a_worker_is_ready();) {
    co_await sleep_for(kWatchEvery);
    if (Clock::now() - tried < kTryAgain) continue;
    tried = Clock::now();
    co_await start_one();
  }
  Waiter drained;
  server.drain(kNginxLetsGo, [&drained] { drained.resume(); });
  co_await drained.wait();
}

// True where one starts or runs already; false where none can be started now, or supervisord does not answer.
Async<bool> Holder::start_one() {
  try {
    const std::vector<SupervisedProcess> supervised = co_await supervisor_.states();
    std::vector<std::pair<int, std::string>> stopped;
    for (const SupervisedProcess& each : supervised) {
      const std::size_t mark = each.name.rfind('_');
      if (each.group != pool_.name || mark == each.name.npos) continue;
      const int slot = std::atoi(each.name.c_str() + mark + 1);
      if (slot >= pool_.most) continue;  // the spare one, and this process
      if (each.state == "RUNNING" || each.state == "STARTING" || each.state == "BACKOFF") co_return true;
      if (each.state != "STOPPING") stopped.emplace_back(slot, each.group + ":" + each.name);
    }
    if (stopped.empty()) co_return false;
    const std::string name = std::ranges::min(stopped).second;
    co_await supervisor_.start(name);
    co_return true;
  } catch (const Failure& failure) {
    log(Severity::warning, "pool_not_started", {{"pool", pool_.name}, {"why", failure.message()}});
  }
  co_return false;
}

}  // namespace plugfleet
