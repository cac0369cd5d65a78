#include "core/jobs/job_view.h"

#include "base/ids.h"
#include "io/redis_support.h"
#include "wire/json.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

JobView row(JobStatus status) {
  return {.id = uuid_v4(),
          .kind = "rename-layers",
          .status = status,
          .progress = 0,
          .progress_message = "with \"quotes\"",
          .attempt = 1,
          .max_attempts = 3,
          .created_at = "2026-03-01T12:00:00.123Z",
          .result_apart = false,
          .cancel_requested = false,
          .event_number = 2};
}

JobView with_images() {
  JobView job = row(JobStatus::completed);
  job.result = R"({"images":2})";
  job.result_apart = true;
  return job;
}

}  // namespace

TEST(what_is_not_known_yet_is_null) {
  const JobView job = row(JobStatus::queued);
  CHECK_EQ(job_json(job), R"({"id":")" + job.id +
                              R"(","type":"rename-layers","status":"queued","progress":0,"progressMessage":"with )"
                              R"(\"quotes\"","attempt":1,"maxAttempts":3,"createdAt":"2026-03-01T12:00:00.123Z",)"
                              R"("startedAt":null,"completedAt":null,"durationMs":null})");
}

TEST(a_completed_job_has_its_result_and_no_error) {
  JobView job = row(JobStatus::completed);
  job.duration_ms = 1234;
  job.result = R"({"renamed":3})";
  job.error_code = "provider_error";  // of an earlier attempt
  const std::string json = job_json(job);
  CHECK(json.ends_with(R"("durationMs":1234,"result":{"renamed":3}})"));
  CHECK(Json::parse(json));
}

TEST(a_failed_job_has_an_error_and_no_result) {
  JobView job = row(JobStatus::failed);
  job.error_code = "provider_error";
  job.error_message = "it said \"no\"";
  job.error_stack = "at secret.cc:1";
  job.result = "{}";
  CHECK(job_json(job).ends_with(R"("durationMs":null,"error":{"code":"provider_error","message":"it said \"no\""}})"));
}

TEST(a_result_with_images_is_left_out_where_only_the_row_is_known) {
  CHECK(job_json(with_images()).ends_with(R"("durationMs":null})"));
}

ASYNC_TEST(a_result_with_images_is_merged_while_it_lives_and_named_as_expired_after) {
  Redis redis(reactor, {.address = shared_socket()});
  BodyStore payloads(redis, 60s);
  const JobView job = with_images();
  co_await payloads.put_full_result(job.id, R"({"images":["iVBORw0"]})");
  const auto merged = co_await with_result(payloads, job);
  CHECK(job_json(merged).ends_with(R"("result":{"images":["iVBORw0"]}})"));
  const auto expired = co_await with_result(payloads, with_images());
  CHECK(job_json(expired).ends_with(R"("result":null,"resultExpired":true})"));
}

ASYNC_TEST(without_the_payload_redis_a_result_is_not_called_expired) {
  Redis redis(reactor, {.address = "/nowhere/redis.sock"});
  BodyStore payloads(redis, 60s);
  const auto failed = co_await failure_of(with_result(payloads, with_images()));
  CHECK(failed == FailureKind::unavailable);
  const auto plain = co_await with_result(payloads, row(JobStatus::completed));
  CHECK_CONTAINS(job_json(plain), R"("result":null)");
}
