#include "host/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace plugfleet {

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> segments;
  segments.reserve(8);
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t slash = path.find('/');
    if (!(slash == path.npos && path.empty())) segments.emplace_back(path.substr(0, slash));
    path = slash == path.npos ? std::string_view() : path.substr(slash);
  }
  return segments;
}

bool is_path_value(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

namespace {

// Letters, digits, - . _ ~ (RFC 3986, section 2.3), or such a name in braces.
bool is_well_formed(std::string_view segment) {
  if (is_path_value(segment)) segment = segment.substr(1, segment.size() - 2);
  return std::ranges::all_of(segment, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-._~").contains(c);
  });
}

bool same_shape(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  return std::ranges::equal(a, b,
                            [](const auto& x, const auto& y) { return is_path_value(x) ? is_path_value(y) : x == y; });
}

// How well a known path fits a request's: -1 not at all, else the number of its literal segments.
int fit(const std::vector<std::string_view>& known, const std::vector<std::string_view>& asked) {
  if (known.size() != asked.size()) return -1;
  int literal = 0;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (is_path_value(known[i])) {
      if (asked[i].empty()) return -1;
    } else if (known[i] == asked[i]) {
      ++literal;
    } else {
      return -1;
    }
  }
  return literal;
}

bool serves(Method route, Method asked) { return route == asked || (route == Method::GET && asked == Method::HEAD); }

}  // namespace

void Router::add(const std::string& module, Route the_route) {
  auto entry = std::make_unique<Entry>(std::move(the_route));
  const Route& route = entry->route;
  entry->module = module;
  entry->label = fmt::format("{} {}", method_name(route.method), route.path);
  if (!route.path.starts_with('/'))
    throw Failure(FailureKind::internal,
                  fmt::format("module {}: the path of {} must begin with /", module, entry->label));
  entry->segments = split_path(route.path);
  if (!std::ranges::all_of(entry->segments, is_well_formed)) {
    throw Failure(
        FailureKind::internal,
        fmt::format("module {}: the path of {} may hold letters, digits, - . _ ~ and {{...}}", module, entry->label));
  }
  const auto values = static_cast<std::size_t>(std::ranges::count_if(entry->segments, is_path_value));
  if (route.handler.values() && *route.handler.values() != values) {
    throw Failure(FailureKind::internal, fmt::format("module {}: the handler of {} takes {} path values", module,
                                                     entry->label, *route.handler.values()));
  }
  if (route.options.cache && route.method != Method::GET)
    throw Failure(FailureKind::internal,
                  fmt::format("module {}: {} has a cache, which only a GET may", module, entry->label));
  for (const auto& other : entries_) {
    if (other->route.method == route.method && same_shape(other->segments, entry->segments)) {
      throw Failure(FailureKind::internal,
                    fmt::format("module {}: {} is taken already by {}", module, entry->label, other->label));
    }
  }
  const std::string label = fmt::format("route=\"{}\"", entry->label);
  entry->requests = counter("plugfleet_requests_total", label);
  entry->errors = counter("plugfleet_errors_total", label);
  entry->seconds = histogram("plugfleet_request_seconds", label);
  entries_.push_back(std::move(entry));
}

std::string Router::Entry::filled_in(std::string text, const PathValues& values) const {
  auto value = values.begin();
  for (const std::string_view segment : segments) {
    if (!is_path_value(segment)) continue;
    const std::size_t at = text.find(segment);
    if (at != text.npos) text.replace(at, segment.size(), *value);
    ++value;
  }
  return text;
}

Router::Match Router::find(Method method, std::string_view path) const {
  Match match;
  if (!path.starts_with('/')) return match;
  const auto asked = split_path(path);
  int best = -1;
  for (const auto& entry : entries_) {
    if (!serves(entry->route.method, method)) continue;
    const int literal = fit(entry->segments, asked);
    if (literal <= best) continue;
    best = literal;
    match.entry = entry.get();
  }
  if (!match.entry) {
    for (const auto& entry : entries_) {
      if (fit(entry->segments, asked) < 0) continue;
      match.allow.append(match.allow.empty() ? "" : ", ").append(method_name(entry->route.method));
    }
    return match;
  }
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (is_path_value(match.entry->segments[i])) match.values.emplace_back(asked[i]);
  }
  return match;
}

}  // namespace plugfleet
