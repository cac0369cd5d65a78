// GET /api/prompts: what a request for edits may choose between. The reply has an ETag: a client that asks again with
// If-None-Match is told 304 while nothing has changed.
#pragma once

#include <plugfleet/module.h>

namespace figma {

// `default_file` is the prompt of a request that names none.
plugfleet::Route prompts_route(std::string default_file);

}  // namespace figma
