// The API's description: OpenAPI 3.1 (spec.openapis.org/oas/v3.1), made from what the routes declare and from nothing
// else. scripts/lib/fleet-prepare.sh has `plugfleet-worker --print-openapi` write it, and nginx serves it at /openapi.json.
//
// Beside its own answers and failures an operation has those that follow from what is declared: 401 where a token counts,
// 403 where nginx answers operators' addresses alone, 404 where the path has a whole number, 422 where it takes JSON,
// 429 where somebody limits it; and those that anything may be answered: kAnytime in openapi.cc.
#pragma once

#include <optional>
#include <string>

#include "host/router.h"

namespace plugfleet {

// What its declaration lacks, in words: "no summary". Such a route does not load.
std::optional<std::string> missing_in(const Route& route);

// Throws Failure where two types have one name, or an example is not JSON.
std::string openapi_json(const Router& router);

}  // namespace plugfleet
