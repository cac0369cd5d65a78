// What ties a request, its jobs and its calls to others together.
#pragma once

#include <string>

namespace plugfleet {

struct Trace {
  std::string id, parent;  // x-trace-id and traceparent (W3C Trace Context), sent on
};

}  // namespace plugfleet
