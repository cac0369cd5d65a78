// What a module says of itself: its routes, and who may call them how often with how much.
#pragma once

#include <charconv>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/auth.h"
#include "core/call.h"
#include "core/job.h"
#include "core/rate_limit.h"

namespace plugfleet {

// The loader refuses a module built against another number: raise it with every change a module could notice.
inline constexpr int kModuleAbi = 5;

using PathValues = std::vector<std::string>;  // what stood in the path's {...}, in order

// A function Async<Reply>(Call&), or one that also takes the path's values: std::string or std::int64_t, in order.
// A value that is no such number is a path that is not there: 404.
class Handler {
 public:
  template <class... Values>
  Handler(Async<Reply> (*function)(Call&, Values...)) : values_(sizeof...(Values)) {
    call_ = [function](Call& call, const PathValues& path) {
      return apply(function, call, path, std::index_sequence_for<Values...>());
    };
  }
  // For handlers with state of their own: must return a coroutine, not be a capturing one.
  Handler(std::function<Async<Reply>(Call&, const PathValues&)> function) : call_(std::move(function)) {}

  Async<Reply> operator()(Call& call, const PathValues& path) const { return call_(call, path); }
  std::optional<std::size_t> values() const { return values_; }

 private:
  template <class... Values, std::size_t... I>
  static Async<Reply> apply(Async<Reply> (*function)(Call&, Values...), Call& call, const PathValues& path,
                            std::index_sequence<I...>) {
    return function(call, converted<std::decay_t<Values>>(path.at(I))...);
  }

  template <class T>
  static T converted(const std::string& text) {
    if constexpr (std::same_as<T, std::string>) {
      return text;
    } else {
      T number{};
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc() || end != text.data() + text.size())
        throw Failure(Kind::not_found, "there is nothing here");
      return number;
    }
  }

  std::function<Async<Reply>(Call&, const PathValues&)> call_;
  std::optional<std::size_t> values_;
};

struct RouteOptions {
  Auth auth = Auth::none;
  std::optional<RateLimit> limit;       // for each client (Call::client_key); none: REQUESTS_PER_MINUTE, for all such
  bool limited = true;                  // false: neither; what operators and their programs ask for
  bool streams = false;                 // an event stream: one that resumes (Last-Event-ID) is counted, never refused
  std::optional<std::size_t> body_max;  // bytes; the setting BODY_MAX where it is not said
  bool recorded = true;                 // one row in api_calls for each request
};

struct Route {
  Method method;
  std::string path;  // "/notes/{id}": a {...} is one whole segment
  Handler handler;
  RouteOptions options;
};

struct Module {
  std::string name;
  std::vector<Route> routes;
  std::vector<JobHandler> jobs;
  std::vector<CronEntry> crons;
};

inline RateLimit per_client(std::int64_t points, Clock::duration duration, Clock::duration block = {}) {
  return {points, duration, block};
}

}  // namespace plugfleet
