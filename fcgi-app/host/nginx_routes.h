// What nginx is told of the routes: their guards against floods, body bounds, methods and who may ask. conf/nginx includes
// the three files, which scripts/lib/fleet-prepare.sh writes (`plugfleet-worker --print-nginx`).
#pragma once

#include <string>

#include "host/router.h"

namespace plugfleet {

struct NginxRoutes {
  std::string maps;       // for http {}: zones, and maps by method and path
  std::string limits;     // for every location that asks a worker: the zones again, with their bursts
  std::string locations;  // for server {}: of routes that are not as the others
};
// Throws Failure where two routes' zones would have one name.
NginxRoutes nginx_routes(const Router& router);

}  // namespace plugfleet
