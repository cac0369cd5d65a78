// GET and DELETE /api/jobs/<id>, and /api/jobs/<id>/stream: the contract's "Jobs", whatever module the job is of.
#pragma once

#include "core/module.h"

namespace plugfleet {

Module job_routes();

}  // namespace plugfleet
