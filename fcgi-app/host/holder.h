// Holds the listening socket of a pool of workers that is on demand, and starts a worker when the first client comes.
//
//   at rest --a connection waits--> starting --a worker is ready--> served --no worker is ready--> at rest
//                                      `--none within kComesUpWithin--> refusing --a worker is ready--> served
//
// 1. It accepts nothing but while it refuses: who asks waits in the socket's queue, and the worker that comes up takes it.
// 2. While it refuses everybody is answered 503 at once, and a worker is tried again every kTryAgain.
// 3. It only ever starts processes. The keeper stops what nobody needs (host/fleet_scaler.h), supervisord starts again what
//    died; and a worker that is told to stop says that it is not ready before it leaves the socket.
#pragma once

#include <memory>
#include <string>

#include "core/platform.h"
#include "io/fastcgi.h"
#include "io/supervisor.h"

namespace plugfleet {

class Holder {
 public:
  static constexpr Clock::duration kComesUpWithin = 10s, kTryAgain = 5s;

  // `http` outlives it; `fd` is the listening socket, and `most` how many workers the pool may have.
  struct Pool {
    std::string name, run_dir;
    int most = 1, fd = 0;
  };
  Holder(Reactor& reactor, HttpClient& http, Pool pool);
  ~Holder();

  // Until it is cancelled.
  Async<void> run();

 private:
  struct Refusal;

  bool a_worker_is_ready() const;
  Async<void> a_client_waits();
  Async<bool> one_comes_up();
  Async<void> refuse_until_one_is_up();
  Async<bool> start_one();

  Reactor& reactor_;
  const Pool pool_;
  Supervisor supervisor_;
};

}  // namespace plugfleet
