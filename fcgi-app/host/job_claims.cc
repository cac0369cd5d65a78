#include "host/job_claims.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/log.h"

namespace plugfleet {
namespace {

constexpr auto kPollEvery = 1s;
constexpr auto kPause = 5ms;  // after a claim that found little: a crowd of wake-ups costs few claims
constexpr auto kFailurePause = 500ms;

Clock::duration jittered(Clock::duration duration) {  // three to five quarters of it
  return duration * 3 / 4 + duration / 2 * static_cast<std::int64_t>(random_u64() % 1024) / 1024;
}

bool fills(const std::vector<ClaimedJob>& claimed, const ClaimRequest& request) {
  return claimed.size() == static_cast<std::size_t>(request.batch) ||
         std::ranges::any_of(request.rooms, [&](const auto& room) {
           return std::ranges::count(claimed, room.first, &ClaimedJob::kind) == room.second;
         });
}

}  // namespace

JobClaims::JobClaims(Reactor& reactor, Jobs& jobs, Gauge last_poll, Owner owner)
    : reactor_(reactor), jobs_(jobs), last_poll_(last_poll), owner_(std::move(owner)) {}

void JobClaims::start(std::vector<JobKind> kinds) {
  running_ = true;
  reactor_.spawn(claim_until_stopped(std::move(kinds)));
}

void JobClaims::wake(bool more) {
  more_ |= more;
  if (napping_) napping_->resume();
}

void JobClaims::stop() {
  stopping_ = true;
  wake(false);
}

Async<void> JobClaims::claim_until_stopped(std::vector<JobKind> kinds) {
  co_await declare(std::move(kinds));
  for (;;) {
    co_await its_turn();
    if (stopping_) break;
    const ClaimRequest request = owner_.request();
    const auto asked = Clock::now();
    more_ = false;
    auto claimed = co_await claim(request);
    last_ = Clock::now();
    last_was_full_ = claimed && fills(*claimed, request);
    more_ |= last_was_full_;
    if (claimed) {
      last_poll_.set(std::chrono::duration_cast<std::chrono::seconds>(WallClock::now().time_since_epoch()).count());
      for (ClaimedJob& job : *claimed) owner_.take(std::move(job), asked);
    } else {
      co_await sleep_for(jittered(kFailurePause));
    }
  }
  running_ = false;
  owner_.stopped();
}

Async<void> JobClaims::declare(std::vector<JobKind> kinds) {
  for (bool declared = false; !declared && !stopping_;) {
    try {
      co_await jobs_.declare(kinds);
      declared = true;
    } catch (const std::exception& failure) {
      log(Severity::warning, "kinds_not_declared", {{"what", failure.what()}});
    }
    if (!declared) co_await sleep_for(kFailurePause);
  }
}

// None: PostgreSQL did not answer. What it may have claimed all the same comes back when its lease has run out.
Async<std::optional<std::vector<ClaimedJob>>> JobClaims::claim(ClaimRequest request) {
  std::optional<std::vector<ClaimedJob>> claimed;
  try {
    claimed = co_await jobs_.claim(std::move(request));
  } catch (const std::exception& failure) {
    log(Severity::warning, "claim_failed", {{"what", failure.what()}});
  }
  co_return claimed;
}

// Waits until there is room, and a reason to claim; or until it is stopped.
Async<void> JobClaims::its_turn() {
  const auto poll_at = last_ + jittered(kPollEvery);
  const auto soonest = last_was_full_ ? last_ : last_ + kPause;
  while (!stopping_) {
    const auto now = Clock::now();
    const auto turn = more_ ? soonest : poll_at;
    const bool room = !owner_.request().rooms.empty();
    if (room && now >= turn) co_return;
    Waiter woken;
    napping_ = &woken;
    co_await woken.wait_for(room ? turn - now : 1h);
    napping_ = nullptr;
  }
}

}  // namespace plugfleet
