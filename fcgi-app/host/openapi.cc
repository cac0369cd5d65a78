#include "host/openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "wire/reply.h"

namespace plugfleet {
namespace {

constexpr const char* kVersion = "1";  // of the contract; a change that clients must follow is another

// Failures that anything may be answered, by nginx or by a worker.
constexpr int kAnytime[] = {400, 408, 413, 414, 415, 431, 500, 502, 503, 504};

std::string_view phrase(int status) {
  return status == 414 ? "URI Too Long" : status == 431 ? "Request Header Fields Too Large" : reason_phrase(status);
}

Json reference(std::string_view where, std::string_view name) {
  return Json::object({{"$ref", fmt::format("#/components/{}/{}", where, name)}});
}

bool takes_a_body(Method method) { return method == Method::POST || method == Method::PUT || method == Method::PATCH; }

bool makes_jobs(const Route& route) {
  const Type job = type_of<AcceptedJob>();
  return std::ranges::any_of(route.options.answers,
                             [&](const RouteAnswer& answer) { return answer.content.type.id == job.id; });
}

bool is_limited(const RouteOptions& options) {
  return options.limited || options.auth == Auth::operator_token || !options.operators_only;
}

std::string operation_id(const Router::Entry& entry) {
  std::string name;
  for (const char c : entry.label) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) name += c;
    if (!letter && !name.empty() && name.back() != '_') name += '_';
  }
  while (name.ends_with('_')) name.pop_back();
  return name;
}

class Document {
 public:
  Json paths(const Router& router) {
    std::map<std::string, std::vector<const Router::Entry*>> by_path;
    for (const auto& entry : router.entries()) {
      by_path[entry->route.path].push_back(entry.get());
      for (const RouteAnswer& answer : entry->route.options.answers) given_.insert(answer.content.type.name);
    }
    Json paths = Json::object();
    for (const auto& [path, entries] : by_path) {
      Json item = Json::object();
      for (const Router::Entry* const entry : entries)
        item.set(lower(method_name(entry->route.method)), operation(*entry));
      paths.set(path, std::move(item));
    }
    return paths;
  }

  Json components() {
    add_type(type_of<ErrorBody>(), Side::given);
    Json responses = Json::object(), schemas = Json::object();
    for (const int status : failures_) responses.set(fmt::format("{}", status), failure(status));
    for (auto& [name, schema] : schemas_) schemas.set(name, schema);
    return Json::object(
        {{"securitySchemes",
          Json::object(
              {{"user", Json::object({{"type", "http"},
                                      {"scheme", "bearer"},
                                      {"description",
                                       "A JWT, or a personal access token: pfu_..., by POST /api/v1/user/tokens"}})},
               {"plugin", Json::object({{"type", "http"}, {"scheme", "bearer"}, {"description", plugin_tokens()}})},
               {"session", Json::object({{"type", "apiKey"},
                                         {"in", "cookie"},
                                         {"name", kSessionCookie},
                                         {"description",
                                          "By /auth/sign-in; from another site's pages it changes nothing (403)"}})},
               {"operator", Json::object({{"type", "http"},
                                          {"scheme", "bearer"},
                                          {"description", "pft_..., by scripts/token create NAME"}})}})},
         {"headers", headers()},
         {"parameters", parameters()},
         {"responses", std::move(responses)},
         {"schemas", std::move(schemas)}});
  }

 private:
  static std::string plugin_tokens() {
    std::string text = "A plugin's: pfp_..., by POST /api/v1/teams/{id}/plugins/{slug}/token. Permissions";
    for (std::string_view mark = ": "; const PluginPermission& permission : kPluginPermissions)
      text += fmt::format("{}{} ({})", std::exchange(mark, "; "), permission.name, permission.what);
    return text;
  }

  // The reference to it.
  Json add_type(const Type& type, Side side) {
    const bool both = side == Side::taken && given_.contains(type.name);  // a schema of its own for each
    const std::string name = both ? type.name + "_taken" : type.name;
    const Json schema = type.schema(side);
    const auto [place, fresh] = schemas_.try_emplace(name, schema);
    if (!fresh && place->second.dump() != schema.dump())
      throw Failure(FailureKind::internal, fmt::format("two types are called {}", type.name));
    return reference("schemas", name);
  }

  Json media(const Content& content, Side side, const std::string& label) {
    Json media = Json::object();
    if (content.type.schema) media.set("schema", add_type(content.type, side));
    // Bytes have no schema (OpenAPI 3.1.0, "Considerations for File Uploads"); text is a string.
    if (!content.type.schema && content.media_type.starts_with("text/"))
      media.set("schema", Json::object({{"type", "string"}}));
    if (content.example.empty()) return media;
    auto example = Json::parse(content.example);
    if (!example) throw Failure(FailureKind::internal, fmt::format("{}: its example is not JSON", label));
    media.set("example", std::move(*example));
    return media;
  }

  Json operation(const Router::Entry& entry) {
    const RouteOptions& options = entry.route.options;
    Json operation = Json::object({{"operationId", operation_id(entry)},
                                   {"summary", options.summary},
                                   {"tags", Json::array({Json(entry.module)})}});
    if (options.operators_only)
      operation.set("description", "Answers the addresses of operators alone (OPERATOR_ADDRESSES).");
    Json given = parameters_of(entry);
    if (given.size() > 0) operation.set("parameters", std::move(given));
    if (options.body && !options.body->media_type.empty()) {
      Json content = Json::object();
      content.set(options.body->media_type, media(*options.body, Side::taken, entry.label));
      operation.set("requestBody", Json::object({{"required", true}, {"content", std::move(content)}}));
    }
    operation.set("responses", responses_of(entry));
    operation.set("security", security_of(options));
    return operation;
  }

  static Json security_of(const RouteOptions& options) {
    Json ways = security_of(options.auth);
    if (!options.permission.empty()) ways.push(Json::object({{"plugin", Json::array({Json(options.permission)})}}));
    return ways;
  }

  static Json security_of(Auth auth) {
    const Json nobody = Json::object(), user = Json::object({{"user", Json::array()}}),
               session = Json::object({{"session", Json::array()}});
    switch (auth) {
      case Auth::none:
        return Json::array();
      case Auth::optional:
        return Json::array({nobody, user, session});
      case Auth::required:
        return Json::array({user, session});
      case Auth::operator_token:
        return Json::array({Json::object({{"operator", Json::array()}})});
    }
    return Json::array();
  }

  static Json parameters_of(const Router::Entry& entry) {
    const Route& route = entry.route;
    Json list = Json::array();
    std::size_t place = 0;
    for (const std::string_view segment : entry.segments) {
      if (!segment.starts_with('{')) continue;
      const bool number = place < route.handler.whole_numbers().size() && route.handler.whole_numbers()[place];
      ++place;
      list.push(Json::object({{"name", segment.substr(1, segment.size() - 2)},
                              {"in", "path"},
                              {"required", true},
                              {"schema", Json::object({{"type", number ? "integer" : "string"}})}}));
    }
    if (const Type& query = route.options.query; query.schema) {
      const Json schema = query.schema(Side::asked);
      const Json required = schema["required"];
      for (const std::string_view name : query.fields) {
        bool needed = false;
        for (std::size_t i = 0; i < required.size(); ++i) needed |= required.at(i).string() == name;
        list.push(Json::object(
            {{"name", name}, {"in", "query"}, {"required", needed}, {"schema", schema["properties"][name]}}));
      }
    }
    if (makes_jobs(route)) {
      list.push(reference("parameters", "Prefer"));
      list.push(reference("parameters", "IdempotencyKey"));
    }
    if (route.options.streams) list.push(reference("parameters", "LastEventId"));
    return list;
  }

  Json responses_of(const Router::Entry& entry) {
    const RouteOptions& options = entry.route.options;
    std::map<int, std::map<std::string, std::vector<Json>>> answers;  // by status and media type: media objects
    std::set<int> failing(std::begin(kAnytime), std::end(kAnytime));
    for (const RouteAnswer& answer : options.answers) {
      auto& of_status = answers[answer.status];
      if (!answer.content.media_type.empty())
        of_status[answer.content.media_type].push_back(media(answer.content, Side::given, entry.label));
    }
    for (const FailureKind kind : options.fails) failing.insert(info(kind).status);
    if (options.auth != Auth::none) failing.insert(401);
    const bool of_users = options.auth == Auth::optional || options.auth == Auth::required;
    if (options.operators_only || of_users) failing.insert(403);
    if (std::ranges::count(entry.route.handler.whole_numbers(), true) > 0) failing.insert(404);
    if ((options.body && options.body->type.schema) || makes_jobs(entry.route)) failing.insert(422);
    if (is_limited(options)) failing.insert(429);
    if (options.cache) answers[304];
    failures_.insert(failing.begin(), failing.end());

    std::map<int, Json> responses;
    for (const int status : failing)
      responses.insert_or_assign(status, reference("responses", fmt::format("{}", status)));
    for (auto& [status, by_media] : answers) {
      if (failing.contains(status)) by_media["application/json"].push_back(error_media());
      Json response = Json::object({{"description", phrase(status)}});
      if (Json said = headers_of(options, status); said.size() > 0) response.set("headers", std::move(said));
      Json content = Json::object();
      for (auto& [type, several] : by_media) content.set(type, several.size() == 1 ? several[0] : either(several));
      if (content.size() > 0) response.set("content", std::move(content));
      responses.insert_or_assign(status, std::move(response));
    }
    Json all = Json::object();
    for (auto& [status, response] : responses) all.set(fmt::format("{}", status), std::move(response));
    return all;
  }

  // One of several schemas; the first that has an example gives it.
  static Json either(const std::vector<Json>& several) {
    Json schemas = Json::array(), media = Json::object();
    for (const Json& one : several) schemas.push(one["schema"]);
    media.set("schema", Json::object({{"anyOf", std::move(schemas)}}));
    for (const Json& one : several) {
      if (one["example"].is_null()) continue;
      media.set("example", one["example"]);
      break;
    }
    return media;
  }

  static Json headers_of(const RouteOptions& options, int status) {
    Json said = Json::object();
    if (status < 300 && (options.limited || options.auth == Auth::operator_token)) {
      for (const char* name : {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"})
        said.set(name, reference("headers", name));
    }
    if (options.cache && (status == 200 || status == 304)) said.set("ETag", reference("headers", "ETag"));
    return said;
  }

  static Json error_media() { return Json::object({{"schema", reference("schemas", type_of<ErrorBody>().name)}}); }

  static Json failure(int status) {
    Json headers = Json::object({{"x-trace-id", reference("headers", "x-trace-id")}});
    const auto also = [&](const char* name) { headers.set(name, reference("headers", name)); };
    if (status == 429 || status == 503) also("Retry-After");
    if (status == 429)
      for (const char* name : {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}) also(name);
    if (status == 405) also("Allow");
    return Json::object({{"description", phrase(status)},
                         {"headers", std::move(headers)},
                         {"content", Json::object({{"application/json", error_media()}})}});
  }

  static Json header(std::string_view description, std::string_view type) {
    return Json::object({{"description", description}, {"required", true}, {"schema", Json::object({{"type", type}})}});
  }

  static Json headers() {
    return Json::object({{"x-trace-id", header("The request's id, the client's own where it sent one", "string")},
                         {"Retry-After", header("Seconds", "integer")},
                         {"RateLimit-Limit", header("Requests in a window", "integer")},
                         {"RateLimit-Remaining", header("Of these", "integer")},
                         {"RateLimit-Reset", header("Seconds until the window ends", "integer")},
                         {"Allow", header("The methods of this path", "string")},
                         {"ETag", header("Of this reply; If-None-Match answers 304", "string")}});
  }

  static Json parameter(std::string_view name, std::string_view description, Json schema) {
    return Json::object(
        {{"name", name}, {"in", "header"}, {"description", description}, {"schema", std::move(schema)}});
  }

  static Json parameters() {
    return Json::object(
        {{"Prefer", parameter("Prefer", "respond-async: answer 202 with a job (RFC 7240 section 4.1)",
                              Json::object({{"type", "string"}}))},
         {"IdempotencyKey",
          parameter("Idempotency-Key", "The same key and body give the same job; with another body it is refused (422)",
                    Json::object({{"type", "string"}, {"minLength", 1}, {"maxLength", 255}}))},
         {"LastEventId", parameter("Last-Event-ID", "The last event that was seen: the stream goes on after it",
                                   Json::object({{"type", "string"}}))}});
  }

  std::map<std::string, Json> schemas_;
  std::set<std::string> given_;       // the names of types that are answered
  std::set<int> failures_{404, 405};  // what no operation has is answered too
};

}  // namespace

std::optional<std::string> missing_in(const Route& route) {
  const RouteOptions& options = route.options;
  if (options.summary.empty()) return "no summary";
  if (!options.permission.empty() && !is_plugin_permission(options.permission))
    return fmt::format("no permission that there is: {}", options.permission);
  if (takes_a_body(route.method) && !options.body) return "no body (nothing(), where it takes none)";
  if (options.answers.empty()) return "no answers";
  for (const RouteAnswer& answer : options.answers) {
    if (answer.content.media_type == "application/json" && !answer.content.type.schema)
      return fmt::format("no type of its answer {}", answer.status);
  }
  return std::nullopt;
}

std::string openapi_json(const Router& router) {
  Document document;
  Json paths = document.paths(router);  // first: the components are those that it refers to
  return Json::object(
             {{"openapi", "3.1.0"},
              {"info", Json::object({{"title", "Plugfleet"},
                                     {"version", kVersion},
                                     {"description",
                                      "A path without an operation of that method is answered as the responses "
                                      "405 and 404 say. HEAD is answered where GET is."}})},
              {"jsonSchemaDialect", "https://json-schema.org/draft/2020-12/schema"},
              {"servers", Json::array({Json::object({{"url", "/"}})})},
              {"paths", std::move(paths)},
              {"components", document.components()}})
             .dump() +
         "\n";
}

}  // namespace plugfleet
