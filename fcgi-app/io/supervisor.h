// supervisord's programs: started, stopped and looked at through XML-RPC over its unix socket. It answers at once and
// does what it was told afterwards. Each call takes 3 s at the most.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/http_client.h"

namespace plugfleet {

struct SupervisedProcess {
  std::string group, name;  // told to start() as "group:name"
  std::string state;        // STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN
};

// What supervisor.getAllProcessInfo answers, as it writes it: a <struct> for each process.
std::vector<SupervisedProcess> parse_supervised(std::string_view xml);

class Supervisor {
 public:
  // `http` outlives it.
  Supervisor(HttpClient& http, std::string socket) : http_(http), socket_(std::move(socket)) {}

  // Failure(unavailable) where supervisord does not answer or refuses. One that runs, or is stopped, already is fine.
  Async<void> start(std::string name);
  Async<void> stop(std::string name);
  Async<std::vector<SupervisedProcess>> states();

 private:
  Async<void> tell(std::string verb, std::string name);
  Async<std::string> call(std::string method, std::string parameters);

  HttpClient& http_;
  const std::string socket_;
};

}  // namespace plugfleet
