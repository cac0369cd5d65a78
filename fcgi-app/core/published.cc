#include "core/published.h"

#include <fmt/format.h>

#include <list>
#include <stdexcept>

#include "base/log.h"

namespace plugfleet {
namespace {

constexpr std::size_t kMost = 64 * 1024;
constexpr auto kPatience = 5s;

}  // namespace

struct PublishedBytes::State {
  Reactor& reactor;
  HttpClient& http;
  const std::string url;
  const Read read;

  Value value{};
  Clock::time_point fetch_at{}, doubt_at{};  // not before
  bool under_way = false;
  std::list<Waiter*> waiting{};
};

PublishedBytes::PublishedBytes(Reactor& reactor, HttpClient& http, std::string url, Read read)
    : state_(std::make_shared<State>(reactor, http, std::move(url), std::move(read))) {}

Async<void> PublishedBytes::fetch(std::shared_ptr<State> state) {
  state->fetch_at = Clock::now() + (state->value ? kDoubted : kRetry);
  try {
    HttpRequest request{.url = state->url,
                        .headers = {"Accept: application/json"},
                        .timeout = kPatience,
                        .connect_timeout = kPatience,
                        .reply_max = kMost};
    HttpReply reply = co_await state->http.send(std::move(request));
    if (reply.status != 200) throw std::runtime_error(fmt::format("the answer is {}", reply.status));
    if (!reply.unread.empty()) throw std::runtime_error("the answer " + reply.unread);
    state->value = state->read(std::move(reply.body));
    state->fetch_at = Clock::now() + kFresh;
  } catch (const std::exception& why) {
    log(Severity::warning, "published_not_fetched", {{"url", state->url}, {"why", why.what()}});
  }
}

// P1
void PublishedBytes::begin(const std::shared_ptr<State>& state) {
  if (std::exchange(state->under_way, true)) return;
  state->reactor.spawn(fetch(state), [state](std::exception_ptr) {
    state->under_way = false;
    for (Waiter* const waiter : std::exchange(state->waiting, {})) waiter->resume();
  });
}

Async<void> PublishedBytes::end_of_fetch(std::shared_ptr<State> state) {
  if (!state->under_way) co_return;
  struct Waiting {
    std::list<Waiter*>& line;
    Waiter waiter{};
    explicit Waiting(std::list<Waiter*>& all) : line(all) { line.push_back(&waiter); }
    ~Waiting() { line.remove(&waiter); }
  } waiting(state->waiting);
  co_await waiting.waiter.wait();
}

Async<PublishedBytes::Value> PublishedBytes::get() {
  const auto state = state_;
  if (Clock::now() >= state->fetch_at) begin(state);
  if (!state->value) co_await end_of_fetch(state);
  if (!state->value)
    throw Failure(FailureKind::unavailable, "who vouches for users can't be asked now").retry_after(kRetry);
  co_return state->value;
}

Async<PublishedBytes::Value> PublishedBytes::get_anew() {
  const auto state = state_;
  if (Clock::now() >= state->doubt_at) {
    state->doubt_at = Clock::now() + kDoubted;
    begin(state);
  }
  co_await end_of_fetch(state);
  Value value = co_await get();
  co_return value;
}

}  // namespace plugfleet
