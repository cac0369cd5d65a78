#include "core/jobs/job_feed.h"

#include "support/check.h"

using namespace plugfleet;

namespace {

const std::string kId = "0b7d7f0e-6a55-4c5e-9d3e-0d1c1f2a3b4c";

JobEvent event(int number, JobStatus status, int progress = 0, std::string message = "") {
  return {.id = kId, .status = status, .number = number, .progress = progress, .message = std::move(message)};
}

JobView row(int number, JobStatus status) {
  return {.id = kId,
          .kind = "k",
          .status = status,
          .progress = 10,
          .attempt = 1,
          .max_attempts = 3,
          .created_at = "2026-03-01T12:00:00Z",
          .result_apart = false,
          .cancel_requested = false,
          .event_number = number};
}

}  // namespace

TEST(who_begins_to_watch_gets_the_job_as_it_is) {
  JobFeed feed;
  feed.learned(row(3, JobStatus::processing));
  const std::string opening = feed.opening(std::nullopt);
  CHECK(opening.starts_with("retry: 2000\n\nid: 3\nevent: snapshot\ndata: {\"id\":\"" + kId + "\",\"type\":\"k\","));
  CHECK(opening.ends_with("}\n\n"));
}

TEST(who_has_seen_the_snapshots_number_gets_none) {
  JobFeed feed;
  feed.learned(row(3, JobStatus::processing));
  CHECK_EQ(feed.opening(3), "retry: 2000\n\n");
  CHECK_CONTAINS(feed.opening(2), "event: snapshot");
}

TEST(an_event_is_named_by_what_changed) {
  JobFeed feed;
  feed.learned(row(1, JobStatus::queued));
  CHECK_EQ(feed.heard(event(2, JobStatus::processing)),
           "id: 2\nevent: processing\ndata: {\"id\":\"" + kId +
               "\",\"status\":\"processing\",\"progress\":0,\"message\":\"\"}\n\n");
  CHECK_CONTAINS(feed.heard(event(3, JobStatus::processing, 40, "line\nbreak")),
                 "event: progress\ndata: {\"id\":\"" + kId +
                     "\",\"status\":\"processing\",\"progress\":40,\"message\":\"line\\u000abreak\"}\n\n");
  CHECK_CONTAINS(feed.heard(event(4, JobStatus::queued)), "event: queued\n");
}

TEST(what_is_known_already_is_not_told_again) {
  JobFeed feed;
  feed.learned(row(1, JobStatus::queued));
  CHECK(!feed.heard(event(3, JobStatus::processing)).empty());
  CHECK_EQ(feed.heard(event(3, JobStatus::processing)), "");
  CHECK_EQ(feed.heard(event(2, JobStatus::processing)), "");
  CHECK_EQ(feed.learned(row(2, JobStatus::processing)), "");
  CHECK_EQ(feed.learned(row(3, JobStatus::processing)), "");
  CHECK_CONTAINS(feed.learned(row(7, JobStatus::processing)), "id: 7\nevent: progress\n");
}

TEST(a_message_that_came_before_the_row_is_in_the_snapshot) {
  JobFeed feed;
  feed.heard(event(5, JobStatus::processing, 80, "nearly"));
  feed.learned(row(4, JobStatus::processing));
  CHECK_CONTAINS(feed.opening(std::nullopt), "id: 5\nevent: snapshot");
  CHECK_CONTAINS(feed.opening(std::nullopt), R"("progress":80,"progressMessage":"nearly")");
}

TEST(a_late_row_does_not_replace_a_newer_one) {
  JobFeed feed;
  feed.learned(row(4, JobStatus::completed));
  feed.learned(row(3, JobStatus::processing));
  CHECK_EQ(feed.row()->status, JobStatus::completed);
}

TEST(an_end_is_no_event_of_the_feed_but_the_last_one_of_the_stream) {
  JobFeed feed;
  feed.learned(row(2, JobStatus::processing));
  CHECK_EQ(feed.heard(event(3, JobStatus::completed)), "");
  CHECK_CONTAINS(feed.opening(std::nullopt), "id: 2\nevent: snapshot");  // its row is not known yet
  feed.learned(row(3, JobStatus::completed));
  CHECK_CONTAINS(feed.opening(std::nullopt), "id: 2\nevent: snapshot");  // one below the last event's
  CHECK_CONTAINS(feed.opening(std::nullopt), R"("status":"completed")");
  CHECK(ending_event({.row = row(3, JobStatus::completed), .result = "[1]"})
            .starts_with("id: 3\nevent: completed\ndata: {"));
  CHECK_CONTAINS(ending_event({.row = row(3, JobStatus::completed), .result = "[1]"}), R"("result":[1]})");
}

TEST(only_who_has_seen_the_last_event_has_seen_the_end) {
  CHECK(!has_seen_the_end(row(3, JobStatus::failed), std::nullopt));
  CHECK(!has_seen_the_end(row(3, JobStatus::failed), 2));
  CHECK(!has_seen_the_end(row(3, JobStatus::failed), 4));
  CHECK(has_seen_the_end(row(3, JobStatus::failed), 3));
  CHECK(!has_seen_the_end(row(3, JobStatus::processing), 3));
}

TEST(a_job_that_ended_with_its_first_event_still_has_a_snapshot) {
  JobFeed feed;
  feed.learned(row(1, JobStatus::completed));
  CHECK_CONTAINS(feed.opening(std::nullopt), "id: 0\nevent: snapshot");
}

TEST(a_job_that_an_operator_started_anew_goes_on) {
  JobFeed feed;
  feed.learned(row(3, JobStatus::failed));
  CHECK_CONTAINS(feed.learned(row(4, JobStatus::queued)), "event: queued\n");
}

TEST(an_end_counts_though_its_number_was_passed_already) {
  JobFeed feed;
  feed.learned(row(1, JobStatus::queued));
  feed.heard(event(6, JobStatus::processing));
  feed.learned(row(4, JobStatus::completed));
  CHECK_CONTAINS(feed.opening(std::nullopt), "id: 3\nevent: snapshot");
  CHECK_CONTAINS(feed.opening(std::nullopt), R"("status":"completed")");
}
