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
         std::ranges::any_of(request.capacity, [&](const auto& of_kind) {
           return std::ranges::count(claimed, of_kind.first, &ClaimedJob::kind) == of_kind.second;
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

void JobClaims::hear(std::string_view kind) {
  heard_.emplace(kind);
  wake(false);
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
    const bool all = all_are_due();
    std::vector<std::string> answered;
    if (all) {
      more_ = false;
      heard_.clear();
    } else {
      answered = co_await answer_heard();
      if (answered.empty()) continue;
    }
    ClaimRequest request = owner_.request();
    if (!all) {
      std::erase_if(request.capacity,
                    [&](const auto& of_kind) { return !std::ranges::binary_search(answered, of_kind.first); });
      request.sweep = false;
    }
    const auto asked = Clock::now();
    auto claimed = co_await claim(request);
    last_ = Clock::now();
    if (all) poll_at_ = last_ + jittered(kPollEvery);
    last_was_full_ = claimed && fills(*claimed, request);
    more_ |= last_was_full_;
    if (last_was_full_ && !all) owner_.pass_on(answered);  // nobody else will answer for what is left
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

bool JobClaims::all_are_due() const { return more_ || Clock::now() >= poll_at_; }

// Waits until there is room, and a reason to claim; or until it is stopped.
Async<void> JobClaims::its_turn() {
  const auto soonest = last_was_full_ ? last_ : last_ + kPause;
  while (!stopping_) {
    const auto now = Clock::now();
    const auto capacity = owner_.request().capacity;
    const bool heard =
        std::ranges::any_of(capacity, [&](const auto& of_kind) { return heard_.contains(of_kind.first); });
    const auto turn = more_ || heard ? std::min(soonest, poll_at_) : poll_at_;
    if (!capacity.empty() && now >= turn) co_return;
    Waiter woken;
    napping_ = &woken;
    co_await woken.wait_for(capacity.empty() ? 1h : turn - now);
    napping_ = nullptr;
  }
}

// Of what was heard, and there is room for, the kinds that this runner is to claim. Sorted.
Async<std::vector<std::string>> JobClaims::answer_heard() {
  std::vector<std::string> answered;
  const auto capacity = owner_.request().capacity;
  for (const auto& [kind, count] : capacity) {
    if (heard_.erase(kind) == 0) continue;
    const bool first = co_await owner_.answer(kind);
    if (first) answered.push_back(kind);
  }
  co_return answered;
}

}  // namespace plugfleet
