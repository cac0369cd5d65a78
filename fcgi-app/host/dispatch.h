// What every request goes through, in this order: route, authentication, limit, body bound, handler. What is refused
// is refused before the body is parsed. Afterwards: one log line, its metrics, one api_calls row. A stream's come when
// it has ended; it is not in flight once it is open, and its time, but in the log, is the time until then.
#pragma once

#include "core/call.h"
#include "core/platform.h"
#include "host/router.h"
#include "io/fastcgi.h"

namespace plugfleet {

class Dispatch : public FastcgiHandler {
 public:
  Dispatch(Platform& platform, const Router& router);

  Async<Reply> serve(Incoming& incoming) override;
  Reply failed(Incoming& incoming, std::exception_ptr failure) override;
  void finished(Incoming& incoming, const Reply& reply) override;

  std::int64_t in_flight() const { return in_flight_; }
  std::int64_t served() const { return served_; }

 private:
  static ReplyCache::Asked asked_of_cache(const Call& call, const Router::Entry& entry, const PathValues& values);
  Async<void> admit_operator(Call& call);
  Async<void> limit(Call& call, const Route& route);
  void set_streaming(Incoming& incoming);

  Platform& platform_;
  const Router& router_;
  std::int64_t in_flight_ = 0, served_ = 0;
  Gauge in_flight_gauge_, streams_gauge_;
  Counter requests_, errors_;
  Histogram seconds_, queue_seconds_;
};

}  // namespace plugfleet
