#include "host/nginx_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"

namespace plugfleet {
namespace {

// A route's path without the names of its values: /api/notes/{}. Routes that differ by these alone share a location.
std::string nameless(const std::vector<std::string_view>& segments) {
  std::string path;
  for (const std::string_view segment : segments) {
    path += '/';
    path += is_path_value(segment) ? "{}" : segment;
  }
  return path.empty() ? "/" : path;
}

// What all its addresses begin with: /api/notes of /api/notes/{} and of /api/notes. It ends without a slash, or nginx would
// redirect /api/notes to /api/notes/.
std::string_view beginning(std::string_view path) {
  const std::string_view literal = path.substr(0, path.find("/{}"));
  return literal.empty() ? "/" : literal;
}

// A path as nginx may see it: any value for each {}, and slashes after it, which the router passes over.
std::string pattern_of(std::string_view path) {
  std::string pattern = "^";
  while (path.ends_with('/')) path.remove_suffix(1);
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path.substr(i).starts_with("{}")) {
      pattern += "[^/]+";
      ++i;
    } else {
      if (path[i] == '.') pattern += '\\';
      pattern += path[i];
    }
  }
  return pattern + "/*$";
}

// The same for the same route in every release: nginx refuses a reload in which a zone has another key than before.
std::string zone_of(const Router::Entry& entry) {
  std::string name = "edge_";
  for (const char c : entry.label) {
    if (c == '{' || c == '}') continue;
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    name += letter ? c : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : '_';
  }
  return name;
}

constexpr const char* kPolicy = "default-src 'none'; frame-ancestors 'none'";

// Of the page at /docs/, which is Swagger UI's: it draws with styles of its own making, and shows its icons as data:.
constexpr const char* kDocsPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src "
    "'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Of documents among a module's files (core/module.h, Pages::files_at). Which of the two, the browser's Sec-Fetch-Dest says
// (Fetch Metadata); one that sends none gets the second.
constexpr const char* kFramedPolicy =
    "sandbox allow-scripts; default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; connect-src "
    "'self'; "
    "worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
constexpr const char* kOpenedPolicy =
    "sandbox; default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action "
    "'none'; frame-ancestors 'self'";

struct Rate {
  std::int64_t number = 0, wait_s = 0;  // until one that ran into the limit may ask once more
};
Rate rate_of(const EdgeLimit& edge) {
  Rate rate{.number = number_before<std::int64_t>(edge.rate).value_or(std::pair(1, "")).first};
  rate.wait_s = edge.rate.ends_with("r/s") ? 1 : (60 + rate.number - 1) / rate.number;
  return rate;
}

std::string in_words(std::size_t bytes) {
  if (bytes % (1 << 20) == 0) return fmt::format("{} MB", bytes >> 20);
  if (bytes % (1 << 10) == 0) return fmt::format("{} KB", bytes >> 10);
  return fmt::format("{} bytes", bytes);
}

// What nginx itself answers with, where no worker does: its status, its code by that of a worker's failures, and its
// words.
struct EdgeError {
  FailureKind kind;
  std::string_view words;
  int status = 0;  // 0: the kind's own
};
constexpr std::array<EdgeError, 14> kEdgeErrors{{
    {FailureKind::unauthorized, "This needs a token."},
    {FailureKind::forbidden, "This address may not ask for that."},
    {FailureKind::not_found, "There is nothing at this address."},
    {FailureKind::method_not_allowed, "This method is not allowed here."},
    {FailureKind::request_timeout, "The request took too long to arrive."},
    {FailureKind::payload_too_large, "The body is over $body_bound."},
    {FailureKind::invalid_request, "The address is too long.", 414},
    {FailureKind::unsupported_media_type, "This content type is not accepted."},
    {FailureKind::rate_limited, "Too many requests from this address; wait and try again."},
    {FailureKind::invalid_request, "The request's headers are too large.", 431},
    {FailureKind::internal, "The server failed to answer."},
    {FailureKind::provider_error, "No worker could answer; try again in a moment."},
    {FailureKind::unavailable, "The service is busy; try again in a moment."},
    {FailureKind::provider_timeout, "The answer took too long."},
}};
constexpr std::string_view kMalformed = "The request is malformed, or plain http was sent to the https port.";

std::string edge_error_maps() {
  std::string codes, words;
  for (const EdgeError& error : kEdgeErrors) {
    const KindInfo& kind = info(error.kind);
    const int status = error.status == 0 ? kind.status : error.status;
    codes += fmt::format("  {} {};\n", status, kind.code);
    words += fmt::format("  {} \"{}\";\n", status, error.words);
  }
  return fmt::format(
      "# The code and the words of nginx's own errors, by status.\n"
      "map $status $error_code {{\n{}  default {};\n}}\n"
      "map $status $error_message {{\n{}  default \"{}\";\n}}\n",
      codes, info(FailureKind::invalid_request).code, words, kMalformed);
}

// What is special about a path's location.
struct Location {
  std::string methods;       // "GET, HEAD, POST, "
  std::string page;          // the module whose page it is; empty: routes'
  std::string pool;          // empty: the one called worker
  std::string limits;        // limit_req lines
  std::size_t body_max = 0;  // bytes; 0: nginx's own bound
  bool told_apart = false;   // by maps, which know it by $route
  bool operators_only = false;
  bool body_in_parts = false;  // goes to the worker as it comes

  bool is_plain() const {
    return page.empty() && pool.empty() && body_max == 0 && !told_apart && !operators_only && !body_in_parts;
  }
};
using Locations = std::map<std::string, Location>;  // by nameless path

std::string location_text(const std::string& path, const Location& location) {
  std::string text = fmt::format("  location ~ \"{}\" {{\n", pattern_of(path));
  if (!location.page.empty())
    return text + fmt::format("    rewrite ^ /static/{}/index.html last;\n  }}\n", location.page);
  if (location.told_apart) text += fmt::format("    set $route \"$request_method {}\";\n", path);
  if (!location.pool.empty()) text += fmt::format("    set $pool pool_{};\n", location.pool);
  if (location.body_max > 0) text += fmt::format("    client_max_body_size {};\n", location.body_max);
  if (location.body_in_parts) text += "    fastcgi_request_buffering off;\n";
  return text + fmt::format("{}    include @RUN@/conf/nginx/{}.conf;\n  }}\n", location.limits,
                            location.operators_only ? "operators" : "clients");
}

// nginx finds the longest beginning by a tree, and tries a pattern only of the paths that may follow it: a request meets
// one or two of them however many routes there are.
std::string locations_text(const Locations& locations) {
  std::set<std::string_view> beginnings{"/"};
  for (const auto& [path, location] : locations) {
    if (!location.is_plain()) beginnings.insert(beginning(path));
  }
  std::string text;
  for (const std::string_view begins : beginnings) {
    text += fmt::format("location {} {{\n", begins);
    for (const auto& [path, location] : locations) {
      const bool has_value = path.find("{}") != path.npos;
      const bool may_follow = has_value ? begins.starts_with(beginning(path)) : begins == beginning(path);
      if (may_follow && !location.is_plain()) text += location_text(path, location);
    }
    text += "  include @RUN@/conf/nginx/clients.conf;\n}\n";
  }
  return text;
}

}  // namespace

NginxRoutes nginx_routes(const Router& router, const std::map<std::string, Pages>& pages, const PoolNames& pools) {
  std::string edges, streams, limits, waits, zones, bodies, allowed, policies, files;
  std::set<std::string> names;
  std::map<std::string, std::string_view> pool_by_path;
  Locations locations;
  for (const auto& entry : router.entries()) {
    const Route& route = entry->route;
    const std::string path = nameless(entry->segments);
    const std::string_view method = method_name(route.method);
    const std::string_view pool = pool_of(pools, entry->module, kWorkerPool);
    if (const auto [other, fresh] = pool_by_path.emplace(path, pool); !fresh && other->second != pool)
      throw Failure(FailureKind::internal,
                    fmt::format("{}: the pool {} has another route of this path, and {} has this one", entry->label,
                                other->second, pool));
    Location& location = locations[path];
    location.methods += fmt::format("{}, ", route.method == Method::GET ? "GET, HEAD" : method);
    if (pool != kWorkerPool) location.pool = pool;
    location.body_max = std::max(location.body_max, route.options.body_max.value_or(0));
    location.operators_only |= route.options.operators_only;
    location.body_in_parts |= route.options.body && route.options.body->in_parts();
    location.told_apart |= route.options.streams || route.options.edge;
    if (route.options.streams) streams += fmt::format("  \"{} {}\" 1;\n", method, path);
    if (const auto& edge = route.options.edge) {
      const std::string zone = zone_of(*entry);
      if (!names.insert(zone).second)
        throw Failure(FailureKind::internal,
                      fmt::format("{}: another route's nginx zone is called {} too", entry->label, zone));
      const Rate rate = rate_of(*edge);
      edges += fmt::format("  \"{} {}\" {};\n", method, path, zone);
      limits += fmt::format("  {} {};\n", zone, rate.number);
      waits += fmt::format("  {} {};\n", zone, rate.wait_s);
      zones += fmt::format(
          "map $edge ${0} {{ {0} $client_network; default \"\"; }}\nlimit_req_zone ${0} zone={0}:10m rate={1};\n", zone,
          edge->rate);
      location.limits += fmt::format("    limit_req zone={} burst={} nodelay;\n", zone, edge->burst);
    }
  }
  for (const auto& [module, page] : pages) {
    if (page.policy.find_first_of("\"$\\\r\n") != page.policy.npos)
      throw Failure(FailureKind::internal,
                    fmt::format("module {}: the policy of its pages can't be written down", module));
    policies += fmt::format("  {} \"{}\";\n", module, page.policy);
    files += fmt::format("location /static/{0}/ {{\n  set $page {0};\n  include @RUN@/conf/nginx/static.conf;\n}}\n",
                         module);
    for (const std::string& path : page.index_at) {
      if (!locations.try_emplace(nameless(split_path(path)), Location{.methods = "GET, HEAD, ", .page = module}).second)
        throw Failure(FailureKind::internal,
                      fmt::format("module {}: its page at {} is a route or another page too", module, path));
    }
  }
  for (const auto& [module, page] : pages) {
    if (page.files_at.empty()) continue;
    const std::string folder = page.files_at + "/";
    for (const auto& [path, location] : locations) {
      if (path.starts_with(folder))
        throw Failure(FailureKind::internal,
                      fmt::format("module {}: its files at {} would hide the path {}", module, folder, path));
    }
    files += fmt::format(
        "location = {0} {{\n  return 404;\n}}\n"
        "location {0} {{\n  alias @RUN@/files/{1}/served/;\n  include @RUN@/conf/nginx/files.conf;\n}}\n",
        folder, module);
  }
  for (const auto& [path, location] : locations) {
    allowed += fmt::format("  \"~{}\" \"{}OPTIONS\";\n", pattern_of(path), location.methods);
    if (location.body_max > 0)
      bodies += fmt::format("  \"~{}\" \"{}\";\n", pattern_of(path), in_words(location.body_max));
  }
  return {.maps = fmt::format("# A location with something of its own says its $route: which guard counts it "
                              "(core/module.h, EdgeLimit),\n"
                              "# what it refuses is told, and whether it is a stream.\n"
                              "map $route $edge {{\n{}  default \"\";\n}}\n"
                              "map $route $stream {{\n{}  default \"\";\n}}\n"
                              "map $edge $route_limit {{\n{}  default \"\";\n}}\n"
                              "map $edge $route_wait {{\n{}  default \"\";\n}}\n"
                              "{}"
                              "# The largest body that is let through, in words.\n"
                              "map $path_only $body_bound {{\n{}  default \"20 MB\";\n}}\n"
                              "# What a 405 of nginx's own tells; files answer the default.\n"
                              "map $path_only $allowed_methods {{\n{}  default \"GET, HEAD, OPTIONS\";\n}}\n"
                              "# Of a module's pages, of files among which are documents, and of all else.\n"
                              "map $page $page_policy {{\n{}  default \"{}\";\n}}\n"
                              "map $http_sec_fetch_dest $files_policy {{\n  iframe \"{}\";\n  default \"{}\";\n}}\n"
                              "map $served $content_policy {{\n  pages $page_policy;\n  docs \"{}\";\n  files "
                              "$files_policy;\n  default \"{}\";\n}}\n",
                              edges, streams, limits, waits, zones, bodies, allowed, policies, kPolicy, kFramedPolicy,
                              kOpenedPolicy, kDocsPolicy, kPolicy) +
                  edge_error_maps(),
          .locations = locations_text(locations) + files};
}

}  // namespace plugfleet
