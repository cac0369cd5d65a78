#include "host/job_outcome.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

JobOutcome after(std::chrono::milliseconds wait, bool has_body) {
  ClaimedJob job;
  job.has_body = has_body;
  job.age = 10min;
  Outcome outcome{.what = JobOutcome::retry, .code = "unavailable", .message = "busy", .wait = wait};
  outcome = no_longer_than(std::move(outcome), job, 1h);
  CHECK_EQ(outcome.code, "unavailable");
  return outcome.what;
}

}  // namespace

TEST(no_job_waits_for_longer_than_its_body_is_kept) {
  CHECK(after(49min, true) == JobOutcome::retry);
  CHECK(after(50min, true) == JobOutcome::failed);
  CHECK(after(24h, true) == JobOutcome::failed);
  CHECK(after(24h, false) == JobOutcome::retry);
}
