// Who waits for jobs: event streams of clients (GET /api/jobs/<id>/stream), and requests that answer with a job's
// result. However many there are, the process has one subscription to Redis, one state for each job that is waited
// for, and reads PostgreSQL's rows in batches. A stream is pushed to; it has no coroutine of its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/jobs/job_events.h"
#include "core/jobs/job_view.h"
#include "core/jobs/stream_places.h"
#include "wire/reply.h"

namespace plugfleet {

class JobStreams {
 public:
  // What it is given outlives it.
  JobStreams(Reactor& reactor, Jobs& jobs, BodyStore& payloads, JobEvents& events, Redis& redis, StreamLimits limits);
  ~JobStreams();
  JobStreams(const JobStreams&) = delete;

  // The job as it is now; none where there is none. What is asked at the same time is one statement. Throws as
  // Jobs::get does.
  Async<std::optional<JobView>> look(std::string id);

  using MaySee = std::function<Async<void>(JobView)>;
  // The events of a job, for a client (Call::client_key) that has seen those up to `last_seen`; null where
  // the job has ended and it has seen them all. `may_see` throws where the job is not for this client: of one that has an
  // owner it is asked again every 4 s, and what it refuses then (unauthorized, forbidden, not_found) ends. It may take the
  // place of the client's oldest stream, which is told so and ended. Throws Failure: not_found; unavailable where the
  // process has no room.
  Async<std::shared_ptr<BodyStream>> open(std::string client, std::string id, std::optional<int> last_seen,
                                          MaySee may_see);
  std::int64_t open_streams() const;

  // Returns when the job has ended, or at the deadline with the job as it was last heard of (ended() is false then).
  // Throws Failure: not_found; unavailable where nothing could be read until the deadline.
  Async<ToldJob> wait_for_end(std::string id, Clock::time_point deadline);

 private:
  struct State;
  class Watched;
  class Stream;
  std::shared_ptr<State> state_;
};

}  // namespace plugfleet
