// GET /api/analytics, for operators: what the fleet was used for (core/analytics.h).
#pragma once

#include "core/module.h"

namespace plugfleet {

Module analytics_routes();

}  // namespace plugfleet
