#include "host/nginx_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"

namespace plugfleet {
namespace {

// A path as nginx may see it: any value for each {...}, and slashes after it, which the router passes over.
std::string path_pattern(const std::vector<std::string_view>& segments) {
  std::string pattern = "^";
  for (const std::string_view segment : segments) {
    pattern += '/';
    if (is_path_value(segment)) {
      pattern += "[^/]+";
      continue;
    }
    for (const char c : segment) {
      if (c == '.') pattern += '\\';
      pattern += c;
    }
  }
  return pattern + "/*$";
}

// The same for the same route in every release: nginx refuses a reload in which a zone has another key than before.
std::string zone_of(const Router::Entry& entry) {
  std::string name = "route_";
  for (const char c : entry.label) {
    if (c == '{' || c == '}') continue;
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    name += letter ? c : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : '_';
  }
  return name;
}

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

}  // namespace

NginxRoutes nginx_routes(const Router& router, const std::map<std::string, Pages>& pages, const PoolNames& pools) {
  NginxRoutes text;
  std::string named, limits, waits, zones, bodies, allowed;
  std::set<std::string> names;
  std::map<std::string, std::string> methods;  // by pattern
  std::map<std::string, std::string_view> pool_by_pattern;
  struct Location {
    std::size_t body_max = 0;
    bool operators_only = false;
    bool streamed = false;  // its body goes to the worker as it comes
  };
  std::map<std::string, Location> locations;  // by pattern
  for (const auto& entry : router.entries()) {
    const Route& route = entry->route;
    const std::string pattern = path_pattern(entry->segments);
    const std::string_view method = method_name(route.method);
    methods[pattern] += fmt::format("{}, ", route.method == Method::GET ? "GET, HEAD" : method);
    const std::string_view pool = pool_of(pools, entry->module, kWorkerPool);
    if (const auto [other, fresh] = pool_by_pattern.emplace(pattern, pool); !fresh && other->second != pool)
      throw Failure(FailureKind::internal,
                    fmt::format("{}: the pool {} has another route of this path, and {} has this one", entry->label,
                                other->second, pool));
    if (route.options.streams) named += fmt::format("  \"~^{} {}\" stream;\n", method, pattern.substr(1));
    if (const auto& edge = route.options.edge) {
      const std::string zone = zone_of(*entry);
      if (!names.insert(zone).second)
        throw Failure(FailureKind::internal,
                      fmt::format("{}: another route's nginx zone is called {} too", entry->label, zone));
      const Rate rate = rate_of(*edge);
      named += fmt::format("  \"~^{} {}\" {};\n", method, pattern.substr(1), zone);
      limits += fmt::format("  {} {};\n", zone, rate.number);
      waits += fmt::format("  {} {};\n", zone, rate.wait_s);
      zones += fmt::format(
          "map $route ${0} {{ {0} $client_network; default \"\"; }}\nlimit_req_zone ${0} zone={0}:10m rate={1};\n",
          zone, edge->rate);
      text.limits += fmt::format("limit_req zone={} burst={} nodelay;\n", zone, edge->burst);
    }
    const bool streamed = route.options.body && route.options.body->in_parts();
    if (route.options.body_max || route.options.operators_only || streamed) {
      Location& location = locations[pattern];
      location.body_max = std::max(location.body_max, route.options.body_max.value_or(0));
      location.operators_only |= route.options.operators_only;
      location.streamed |= streamed;
    }
  }
  std::string policies;
  for (const auto& [module, page] : pages) {
    if (page.policy.find_first_of("\"$\\\r\n") != page.policy.npos)
      throw Failure(FailureKind::internal,
                    fmt::format("module {}: the policy of its pages can't be written down", module));
    policies += fmt::format("  \"~^/static/{}/\" \"{}\";\n", module, page.policy);
    for (const std::string& path : page.index_at) {
      const std::string pattern = path_pattern(split_path(path));
      if (!methods.try_emplace(pattern, "GET, HEAD, ").second)
        throw Failure(FailureKind::internal,
                      fmt::format("module {}: its page at {} is a route or another page too", module, path));
      text.locations +=
          fmt::format("location ~ \"{}\" {{\n  rewrite ^ /static/{}/index.html last;\n}}\n", pattern, module);
    }
  }
  for (const auto& [module, page] : pages) {
    if (page.files_at.empty()) continue;
    const std::string folder = page.files_at + "/";
    for (const auto& [pattern, list] : methods) {
      if (pattern.starts_with("^" + folder))
        throw Failure(FailureKind::internal,
                      fmt::format("module {}: its files at {} would hide the path {}", module, folder, pattern));
    }
    text.locations += fmt::format(
        "location ^~ {0} {{\n  rewrite ^{0}(.+)$ /files/{1}/served/$1 last;\n  return 404;\n}}\n", folder, module);
  }
  std::string upstreams;
  for (const auto& [pattern, pool] : pool_by_pattern) {
    if (pool != kWorkerPool) upstreams += fmt::format("  \"~{}\" pool_{};\n", pattern, pool);
  }
  for (const auto& [pattern, list] : methods) allowed += fmt::format("  \"~{}\" \"{}OPTIONS\";\n", pattern, list);
  for (const auto& [pattern, location] : locations) {
    text.locations += fmt::format("location ~ \"{}\" {{\n", pattern);
    if (location.body_max > 0) {
      text.locations += fmt::format("  client_max_body_size {};\n", location.body_max);
      bodies += fmt::format("  \"~{}\" \"{}\";\n", pattern, in_words(location.body_max));
    }
    if (location.streamed) text.locations += "  fastcgi_request_buffering off;\n";
    text.locations += fmt::format("  include {}.conf;\n}}\n", location.operators_only ? "operators" : "clients");
  }
  text.maps = fmt::format(
                  "# Which guard counts a request (core/module.h, EdgeLimit), and what it refuses is told.\n"
                  "map \"$request_method $uri\" $route {{\n{}  default general;\n}}\n"
                  "map $route $route_limit {{\n{}  default \"\";\n}}\n"
                  "map $route $route_wait {{\n{}  default \"\";\n}}\n"
                  "{}"
                  "# The largest body that is let through, in words.\n"
                  "map $path_only $body_bound {{\n{}  default \"20 MB\";\n}}\n"
                  "# What a 405 of nginx's own tells; files answer the default.\n"
                  "map $path_only $allowed_methods {{\n{}  default \"GET, HEAD, OPTIONS\";\n}}\n"
                  "# The upstream of the pool that has a path's routes.\n"
                  "map $uri $worker_pool {{\n{}  default workers;\n}}\n"
                  "# Of pages, and of all else.\n"
                  "map $uri $content_policy {{\n{}  \"~^/docs/\" \"{}\";\n  \"~^/files/\" $files_policy;\n  default "
                  "\"default-src 'none'; frame-ancestors 'none'\";\n}}\n"
                  "map $http_sec_fetch_dest $files_policy {{\n  iframe \"{}\";\n  default \"{}\";\n}}\n",
                  named, limits, waits, zones, bodies, allowed, upstreams, policies, kDocsPolicy, kFramedPolicy,
                  kOpenedPolicy) +
              edge_error_maps();
  return text;
}

}  // namespace plugfleet
