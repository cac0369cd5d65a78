// What a route takes and answers, in the words of its declaration:
//
//   .query = type_of<ListQuery>(),                                // call.query<ListQuery>()
//   .body = json_of<NewNote>(R"({"title": "Buy milk"})"),          // call.json<NewNote>()
//   .answers = {{201, json_of<Note>()}},
//   .fails = {FailureKind::conflict}
//
// A handler that reads a body or a query of another type than the declared one fails, with a 500, whenever it does.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/call.h"
#include "wire/schema.h"

namespace plugfleet {

struct Content {
  std::string media_type;  // empty: nothing
  Type type = {};          // of JSON
  std::string example = {};

  // Of a body: nginx keeps none of it, and the handler takes it as it comes.
  bool in_parts() const { return !media_type.empty() && !type.schema; }
};

// `example`: JSON that is such a T, shown in the API's description and checked by tests.
template <class T>
Content json_of(std::string example = "") {
  return {.media_type = "application/json", .type = type_of<T>(), .example = std::move(example)};
}
// Of a body: what call.body_part() gives as it comes, up to the route's body_max. nginx keeps none of it and so can't send
// it to another worker: a client whose worker dies is told 502.
inline Content bytes_of(std::string media_type) { return {.media_type = std::move(media_type)}; }
inline Content text_of(std::string media_type = "text/plain") { return {.media_type = std::move(media_type)}; }
inline Content events() { return {.media_type = "text/event-stream"}; }
inline Content nothing() { return {}; }

struct RouteAnswer {
  int status;  // two of one status: the one or the other
  Content content;
};

// What Call::answer answers where the work's result is a T.
template <class T>
struct Answered {
  std::string job_id;
  std::int64_t duration_ms = 0;
  T result;
  void fields(auto& f) {
    f("jobId", job_id, uuid_text());
    f("durationMs", duration_ms, range(0, kAnyNumber));
    result.fields(f);
  }
};

// The same where it was a job whose result had images, and their time is over.
struct AnsweredTooLate {
  std::string job_id;
  std::int64_t duration_ms = 0;
  Json result;
  bool result_expired = true;
  void fields(auto& f) {
    f("jobId", job_id, uuid_text());
    f("durationMs", duration_ms, range(0, kAnyNumber));
    f("result", result);
    f("resultExpired", result_expired);
  }
};

// At once, or accepted as a job. Whoever waits for a job may be told that it was cancelled: FailureKind::conflict.
template <class T>
std::vector<RouteAnswer> answers_of_work(std::string example = "") {
  return {{200, json_of<Answered<T>>(std::move(example))},
          {200, json_of<AnsweredTooLate>()},
          {202, json_of<AcceptedJob>()}};
}

}  // namespace plugfleet
