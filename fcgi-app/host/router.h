// From a method and a path to a route.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "core/module.h"

namespace plugfleet {

// "/notes/{id}" -> {"notes", "{id}"}, views into it; a path ends with or without its last slash alike.
std::vector<std::string_view> split_path(std::string_view path);

// Whether a segment of a route's path stands for any value: "{id}".
bool is_path_value(std::string_view segment);

class Router {
 public:
  // A route with what is kept for it.
  struct Entry {
    explicit Entry(Route the_route) : route(std::move(the_route)) {}
    Route route;
    std::string module;                      // whose it is
    std::string label;                       // "POST /api/rename-layers": for logs, rows and metrics
    std::vector<std::string_view> segments;  // of the route's path
    // "note:{id}" with the path's values of those names.
    std::string filled_in(std::string text, const PathValues& values) const;
    Counter requests, errors;
    Histogram seconds;
  };

  // Throws Failure where the path is malformed, or a route with the same method and shape is there already.
  void add(const std::string& module, Route route);

  struct Match {
    const Entry* entry = nullptr;  // null: the path is unknown, or known but not for this method
    PathValues values;
    std::string allow;  // the methods the path is known for, where none of them is this one
  };
  // HEAD is served by the GET route.
  Match find(Method method, std::string_view path) const;

  const std::vector<std::unique_ptr<Entry>>& entries() const { return entries_; }

 private:
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace plugfleet
