#include "host/routes/analytics_routes.h"

#include <charconv>
#include <map>
#include <memory>
#include <utility>

#include "base/log.h"
#include "core/analytics.h"
#include "core/platform.h"
#include "io/gate.h"

namespace plugfleet {
namespace {

constexpr int kDaysDefault = 7, kDaysMax = 365;
constexpr auto kFresh = 2s;

// A process asks for one report at a time, and has those of the last two seconds at hand: however many look at a
// dashboard, the database hardly notices.
class Reports {
 public:
  Async<std::string> of(Call& call, int days) {
    const Gate::Pass pass = co_await gate_.enter();
    const auto found = kept_.find(days);
    if (found != kept_.end() && Clock::now() - found->second.made < kFresh) co_return found->second.text;
    std::erase_if(kept_, [](const auto& entry) { return Clock::now() - entry.second.made >= kFresh; });
    const auto made = Clock::now();
    std::string text = co_await made_by(call.services, days);
    kept_.insert_or_assign(days, Report{made, text});
    co_return text;
  }

 private:
  struct Report {
    Clock::time_point made;
    std::string text;
  };

  // The replica, where it knows enough, or else the primary: no report is older than REPLICA_LAG_MAX.
  Async<std::string> made_by(Platform& services, int days) {
    if (!services.replica) co_return co_await usage_report(services.reports, days);
    std::string why = "it is too far behind";
    try {
      const bool current = co_await is_current(*services.replica, services.settings.replica_lag_max);
      if (current) {
        std::string text = co_await usage_report(*services.replica, days);
        if (!std::exchange(passed_over_, {}).empty()) log(Severity::info, "replica_used_again", {});
        co_return text;
      }
    } catch (const Failure& failure) {
      if (failure.kind() == Kind::cancelled) throw;
      why = failure.what();
    }
    if (why != std::exchange(passed_over_, why)) log(Severity::warning, "replica_passed_over", {{"why", why}});
    co_return co_await usage_report(services.reports, days);
  }

  Gate gate_{1};
  std::map<int, Report> kept_;  // by days
  std::string passed_over_;     // why the replica was, the last time
};

int days_of(const Call& call) {
  const std::string text = call.query("days").value_or(std::to_string(kDaysDefault));
  int days = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), days);
  if (error != std::errc() || end != text.data() + text.size() || days < 1 || days > kDaysMax) {
    throw Failure(Kind::invalid_request, "days must be a whole number from 1 to 365")
        .details({{"days", "must be a whole number from 1 to 365"}});
  }
  return days;
}

Async<Reply> show(std::shared_ptr<Reports> reports, Call& call) {
  const int days = days_of(call);
  std::string text = co_await reports->of(call, days);
  co_return Reply{.body = std::move(text)}.with("Cache-Control", "no-store");
}

}  // namespace

Module analytics_routes() {
  const auto reports = std::make_shared<Reports>();
  std::function<Async<Reply>(Call&, const PathValues&)> handler = [reports](Call& call, const PathValues&) {
    return show(reports, call);
  };
  return {.name = "analytics",
          .routes = {{Method::GET,
                      "/api/analytics",
                      std::move(handler),
                      {.summary = "What was asked, by whom and how it went", .auth = Auth::operator_token}}}};
}

}  // namespace plugfleet
