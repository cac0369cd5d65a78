#include "host/job_outcome.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

Outcome thrown(Failure failure, bool tried = false, std::chrono::milliseconds age = 0ms) {
  ClaimedJob job;
  job.age = age;
  std::string stack;
  return outcome_of(std::make_exception_ptr(std::move(failure)), job, tried, stack);
}

JobOutcome after(JobOutcome what, std::chrono::milliseconds wait, bool has_body,
                 std::chrono::milliseconds age = 10min) {
  ClaimedJob job;
  job.has_body = has_body;
  job.age = age;
  Outcome outcome{.what = what, .code = "unavailable", .message = "busy", .wait = wait};
  outcome = no_longer_than(std::move(outcome), job, 1h);
  CHECK_EQ(outcome.code, "unavailable");
  if (outcome.what == JobOutcome::failed) CHECK_EQ(outcome.message, "busy; the job can't wait as long as that");
  return outcome.what;
}

}  // namespace

TEST(a_failure_of_which_another_attempt_would_die_as_well_is_for_good) {
  const Outcome refused = thrown(Failure(FailureKind::provider_refused, "the AI provider answered 400"));
  CHECK(refused.what == JobOutcome::failed);
  CHECK_EQ(refused.code, "provider_error");
  CHECK_EQ(refused.message, "the AI provider answered 400");
  CHECK(thrown(Failure(FailureKind::provider_error, "it answered 500")).what == JobOutcome::retry);
}

TEST(an_attempt_that_could_not_be_made_is_given_back_and_waits) {
  for (const FailureKind kind : {FailureKind::provider_closed, FailureKind::provider_limited}) {
    const Outcome waits = thrown(Failure(kind, "out of order").retry_after(5s));
    CHECK(waits.what == JobOutcome::released);
    CHECK(waits.wait == 5s);
    CHECK_EQ(waits.message, "out of order");
    CHECK(thrown(Failure(kind, "out of order").retry_after(5s), true).what == JobOutcome::retry);  // others were
  }
}

TEST(who_waits_never_asks_at_once_and_less_often_the_longer_it_has_waited) {
  const auto wait_at = [](std::chrono::milliseconds age) {
    return thrown(Failure(FailureKind::provider_closed, "").retry_after(1ms), false, age).wait;
  };
  CHECK(wait_at(0ms) == 1s);
  CHECK(wait_at(45s) == 4500ms);
  CHECK(wait_at(1h) == 30s);
  CHECK(thrown(Failure(FailureKind::provider_closed, "")).wait == 1s);
}

TEST(no_job_waits_for_longer_than_its_body_is_kept) {
  for (const JobOutcome what : {JobOutcome::retry, JobOutcome::released}) {
    CHECK(after(what, 49min, true) == what);
    CHECK(after(what, 50min, true) == JobOutcome::failed);
    CHECK(after(what, 24h, true) == JobOutcome::failed);
  }
}

TEST(a_job_that_was_sent_nothing_waits_as_long_at_a_time_and_in_the_end_for_its_attempts) {
  CHECK(after(JobOutcome::retry, 59min, false, 24h) == JobOutcome::retry);
  CHECK(after(JobOutcome::retry, 1h, false) == JobOutcome::failed);
  CHECK(after(JobOutcome::released, 59min, false) == JobOutcome::released);
  CHECK(after(JobOutcome::released, 1s, false, 1h) == JobOutcome::retry);
  CHECK(after(JobOutcome::released, 1h, false) == JobOutcome::failed);
}
