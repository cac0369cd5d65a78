#include "base/failure.h"

#include "support/check.h"

using namespace plugfleet;

TEST(every_kind_has_the_contracts_code_and_status) {
  CHECK_EQ(info(FailureKind::invalid_request).status, 400);
  CHECK_EQ(info(FailureKind::payload_too_large).code, "payload_too_large");
  CHECK_EQ(info(FailureKind::payload_too_large).status, 413);
  CHECK_EQ(info(FailureKind::unprocessable).status, 422);
  CHECK_EQ(info(FailureKind::provider_timeout).status, 504);
  CHECK_EQ(info(FailureKind::cancelled).status, 499);
}

TEST(a_kind_says_what_a_job_makes_of_it_and_clients_see_no_more_codes) {
  CHECK(info(FailureKind::provider_error).retry == Retry::again);
  CHECK(info(FailureKind::provider_refused).retry == Retry::never);
  CHECK(info(FailureKind::provider_limited).retry == Retry::later);
  CHECK(info(FailureKind::provider_closed).retry == Retry::later);
  CHECK_EQ(info(FailureKind::provider_refused).code, "provider_error");
  CHECK_EQ(info(FailureKind::provider_closed).status, 503);
  CHECK(kind_of("provider_error") == FailureKind::provider_error);
  CHECK(kind_of("unavailable") == FailureKind::unavailable);
  for (const FailureKind kind : {FailureKind::timeout, FailureKind::payload_lost, FailureKind::payload_expired})
    CHECK(kind_of(code_of(kind)) == FailureKind::internal);  // a job's alone
}

TEST(a_failure_carries_its_wait_and_its_fields) {
  const Failure failure =
      Failure(FailureKind::rate_limited, "slow down").retry_after(std::chrono::seconds(3)).details({{"a", "b"}});
  CHECK_EQ(failure.retry_after()->count(), 3000);
  CHECK_EQ(failure.details().at(0).field, "a");
}

TEST(a_failure_assigned_from_itself_keeps_its_message) {
  Failure failure(FailureKind::rate_limited, "a sentence too long for a string's own buffer");
  failure = std::move(failure).retry_after(std::chrono::seconds(3));
  CHECK_EQ(failure.message(), "a sentence too long for a string's own buffer");
}
