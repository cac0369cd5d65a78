#include "core/job.h"

#include "support/async.h"
#include "support/check.h"
#include "support/served.h"

using namespace plugfleet;
using namespace plugfleet::test;

TEST(an_outcome_says_what_becomes_of_the_job_and_why) {
  CHECK(done(Json(1)).what == JobOutcome::done);
  CHECK_EQ(done(Json(1), "[1]").full_result.value(), "[1]");
  const Outcome later = retry_in(2s, "the shop is closed");
  CHECK(later.what == JobOutcome::retry);
  CHECK(later.wait == 2s);
  CHECK_EQ(later.code, "unavailable");
  const Outcome failed = fail_job(FailureKind::unprocessable, "it is not a sheet");
  CHECK(failed.what == JobOutcome::failed);
  CHECK_EQ(failed.code, "unprocessable");
  CHECK_EQ(failed.message, "it is not a sheet");
  CHECK(cancel_job("no longer wanted").what == JobOutcome::cancelled);
}

namespace {

struct Wanted {
  std::string sheet;
  void fields(auto& f) { f("sheet", sheet); }
};

Async<std::string> sheet_of(WithPlatform& with, ClaimedJob claimed, std::string body) {
  Job job(std::move(claimed), std::move(body), Clock::now() + 1min, {}, *with.platform,
          with.platform->services_of("test"));
  const Wanted wanted = co_await job.json<Wanted>();
  co_return wanted.sheet;
}

}  // namespace

ASYNC_TEST(a_job_reads_the_body_it_was_sent_with_and_else_its_payload) {
  WithPlatform with(reactor, {});
  const std::string payload = R"({"sheet":"of the payload"})";
  ClaimedJob claimed;
  claimed.payload = payload;
  std::string sheet = co_await sheet_of(with, claimed, "");
  CHECK_EQ(sheet, "of the payload");
  claimed.has_body = true;
  sheet = co_await sheet_of(with, claimed, R"({"sheet":"of the body"})");
  CHECK_EQ(sheet, "of the body");
  const auto broken = co_await failure_of(sheet_of(with, claimed, "no JSON"));
  CHECK(broken == FailureKind::invalid_request);
  const auto wrong = co_await failure_of(sheet_of(with, claimed, R"({"sheet":1})"));
  CHECK(wrong == FailureKind::unprocessable);
}

ASYNC_TEST(a_job_tells_its_progress_and_knows_its_attempt) {
  WithPlatform with(reactor, {});
  std::vector<std::string> told;
  ClaimedJob claimed;
  claimed.attempt = 2;
  claimed.max_attempts = 3;
  Job job(
      claimed, "", Clock::now(),
      [&](int percent, std::string message) { told.push_back(fmt::format("{} {}", percent, message)); }, *with.platform,
      with.platform->services_of("test"));
  job.progress(50, "half of it");
  CHECK_EQ(told.at(0), "50 half of it");
  CHECK_EQ(job.attempt(), 2);
  CHECK_EQ(job.max_attempts(), 3);
  co_return;
}
