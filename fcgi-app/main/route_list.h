// What routes there are, for people and for programs: `plugfleet routes`.
#pragma once

#include <fmt/format.h>

#include <string>

#include "core/settings.h"
#include "host/pools.h"
#include "host/router.h"
#include "main/table.h"
#include "wire/json.h"

namespace plugfleet {

inline std::string_view who_may_ask(const RouteOptions& options) {
  if (options.operators_only) return "operators' addresses";
  switch (options.auth) {
    case Auth::none:
    case Auth::optional:
      return "anyone";
    case Auth::required:
      return "users";
    case Auth::operator_token:
      return "operators";
  }
  return "";
}

// Each route's own limit, or what a client may ask of all that have none.
inline RateLimit limit_of(const Route& route, const Settings& settings) {
  return route.options.limit.value_or(RateLimit{.points = settings.requests_per_minute, .duration = 1min});
}

// "modules/figma/rename/rename_layers.cc:210"
inline std::string place_of(const Route& route) { return fmt::format("{}:{}", route.at.file_name(), route.at.line()); }

// What the API's description calls it (host/openapi.h), or where it is of no type its media type; null: nothing.
inline Json type_in(const Content& content) {
  return content.media_type.empty() ? Json() : Json(content.type.name.empty() ? content.media_type : content.type.name);
}

inline std::string routes_text(const Router& router, const Settings& settings, const PoolNames& pools) {
  Table table({"ROUTE", "WHO", "EACH CLIENT", "EACH ADDRESS", "POOL", "WHERE", "WHAT IT DOES"});
  for (const auto& entry : router.entries()) {
    const RouteOptions& options = entry->route.options;
    const RateLimit limit = limit_of(entry->route, settings);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit.duration).count();
    const std::string place = place_of(entry->route);
    table.add({entry->label, std::string(who_may_ask(options)),
               options.limited ? fmt::format("{} in {}", limit.points, shown_seconds(seconds)) : std::string(),
               options.edge ? fmt::format("{} +{}", options.edge->rate, options.edge->burst) : std::string(),
               std::string(pool_of(pools, entry->module, kWorkerPool)), place.substr(place.rfind('/') + 1),
               options.summary});
  }
  return table.text();
}

inline std::string routes_json(const Router& router, const Settings& settings, const PoolNames& pools) {
  Json routes = Json::array();
  for (const auto& entry : router.entries()) {
    const RouteOptions& options = entry->route.options;
    const RateLimit limit = limit_of(entry->route, settings);
    Json route = Json::object({{"method", method_name(entry->route.method)},
                               {"path", entry->route.path},
                               {"summary", options.summary},
                               {"module", entry->module},
                               {"pool", pool_of(pools, entry->module, kWorkerPool)},
                               {"who", who_may_ask(options)},
                               {"where", place_of(entry->route)}});
    if (options.limited) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit.duration).count();
      route.set("limit", Json::object({{"requests", limit.points}, {"seconds", seconds}}));
    }
    if (options.edge) route.set("nginx", Json::object({{"rate", options.edge->rate}, {"burst", options.edge->burst}}));
    route.set("bodyMax", options.body_max.value_or(settings.body_max));
    route.set("streams", options.streams);
    if (!options.query.name.empty()) route.set("query", options.query.name);
    if (options.body) route.set("body", type_in(*options.body));
    Json answers = Json::array();
    for (const RouteAnswer& answer : options.answers)
      answers.push(Json::object({{"status", answer.status}, {"type", type_in(answer.content)}}));
    route.set("answers", std::move(answers));
    routes.push(std::move(route));
  }
  return Json::object({{"routes", routes}}).dump() + "\n";
}

}  // namespace plugfleet
