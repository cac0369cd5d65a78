#include "host/routes/analytics_routes.h"

#include <functional>
#include <map>
#include <memory>
#include <utility>

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
    std::function<Async<std::string>(Database&)> report = [days](Database& database) {
      return usage_report(database, days);
    };
    std::string text = co_await call.platform.replica.read(std::move(report), call.platform.reports);
    kept_.insert_or_assign(days, Report{made, text});
    co_return text;
  }

 private:
  struct Report {
    Clock::time_point made;
    std::string text;
  };

  Gate gate_{1};
  std::map<int, Report> kept_;  // by days
};

struct ReportQuery {
  std::optional<std::int64_t> days;
  void fields(auto& f) { f("days", days, range(1, kDaysMax)); }
};

Async<Reply> show(std::shared_ptr<Reports> reports, Call& call) {
  const auto days = call.query<ReportQuery>().days.value_or(kDaysDefault);
  std::string text = co_await reports->of(call, static_cast<int>(days));
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
                      {.summary = "What was asked, by whom and how it went",
                       .query = type_of<ReportQuery>(),
                       .answers = {{200, json_of<UsageReport>()}},
                       .auth = Auth::operator_token}}}};
}

}  // namespace plugfleet
