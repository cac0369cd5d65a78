// What happens to jobs, told from process to process through Redis's channels as it happens. Hints: a message may be
// lost (Redis restarts), and PostgreSQL is always right. So whoever watches also looks there: when on_gap is called,
// and every now and then.
//
// One connection listens for the whole process; a channel for each job that is watched, so that nobody is told of jobs
// that nobody there watches.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/jobs/jobs.h"
#include "io/redis.h"

namespace plugfleet {

// A change of a job as its watchers are told.
struct JobEvent {
  std::string id;
  JobStatus status = JobStatus::queued;
  int number = 0;
  int progress = 0;
  std::string message;
};

class JobEvents {
 public:
  // `redis` for publishing; a connection of its own, to the same place, for listening, made when it is first needed.
  JobEvents(Reactor& reactor, Redis& redis, RedisOptions options);
  ~JobEvents();

  // ---- Publishing: at once, in the background, never throwing ----
  void publish(JobEvent event);
  void publish_enqueued(const std::vector<std::string>& kinds);  // for runners, of which one is to claim
  void publish_cancelled(const std::string& id);                 // for the runner that has it

  // ---- Listening: until the handle is gone ----
  using Handle = std::shared_ptr<void>;
  Handle watch(std::string id, std::function<void(const JobEvent&)> on_event);
  Handle on_enqueued(std::function<void(std::string_view kind)> fn);
  Handle on_cancelled(std::function<void(std::string_view id)> fn);
  // Of any other channel.
  Handle on_message(const std::string& channel, std::function<void(std::string_view message)> fn);
  // Messages may have been missed.
  Handle on_gap(std::function<void()> fn);
  bool listening() const;  // is Redis there?

  // Of all who were told that jobs of the kind were enqueued the first who asks has true: it is to claim them. So has
  // everybody while Redis can't say.
  Async<bool> answer_enqueued(std::string kind);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace plugfleet
