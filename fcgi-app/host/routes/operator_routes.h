// What operators and monitors ask a worker: /health, /healthz, /metrics. nginx lets only trusted addresses ask.
#pragma once

#include "core/module.h"

namespace plugfleet {

Module operator_routes();

// Resident memory of this process in bytes.
std::size_t resident_memory();

}  // namespace plugfleet
