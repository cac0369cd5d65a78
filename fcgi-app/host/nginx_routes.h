// What nginx is told of the routes and pages: their guards against floods, body bounds, methods, who may ask, and policies.
// conf/nginx includes the two files, which scripts/lib/configure.py writes (`plugfleet-worker --print-nginx-...`).
#pragma once

#include <map>
#include <string>

#include "host/pools.h"
#include "host/router.h"

namespace plugfleet {

struct NginxRoutes {
  std::string maps;       // for http {}: zones, and maps by route
  std::string locations;  // for server {}: /, what is special about some paths, and modules' files
};
// `pages` by module; `pools` are those of modules' routes. Throws Failure where two routes' zones would have one name, a
// page's path is a route's or another's, or a path's routes are of two pools.
NginxRoutes nginx_routes(const Router& router, const std::map<std::string, Pages>& pages, const PoolNames& pools = {});

}  // namespace plugfleet
