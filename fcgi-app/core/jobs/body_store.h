// What belongs to a job and must rest nowhere: request bodies and results that hold images. In the payload Redis, in
// memory only, each for its time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "io/redis.h"

namespace plugfleet {

class BodyStore {
 public:
  BodyStore(Redis& redis, std::chrono::seconds ttl) : redis_(redis), ttl_(ttl) {}

  // Each throws Failure(FailureKind::unavailable) where the payload Redis is down or full.
  Async<void> put_body(std::string job_id, std::string_view body);
  // None: it is gone. Its time begins anew.
  Async<std::optional<std::string>> take_body(std::string job_id);
  Async<void> put_full_result(std::string job_id, std::string_view result);
  Async<std::optional<std::string>> full_result(std::string job_id);
  // The time of these bodies begins anew.
  Async<void> refresh(std::vector<std::string> job_ids);
  Async<void> forget_bodies(std::vector<std::string> job_ids);

 private:
  Redis& redis_;
  const std::chrono::seconds ttl_;
};

}  // namespace plugfleet
