// What a module says of itself: its routes, and who may call them how often with how much.
#pragma once

#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <tuple>
#include <vector>

#include "base/text.h"
#include "core/auth.h"
#include "core/call.h"
#include "core/content.h"
#include "core/job.h"
#include "core/rate_limit.h"
#include "core/reply_cache.h"
#include "core/services.h"
#include "core/settings.h"

namespace plugfleet {

// The loader refuses a module built against another number: raise it with every change a module could notice.
inline constexpr int kModuleAbi = 11;

using PathValues = std::vector<std::string>;  // what stood in the path's {...}, in order

// A function Async<Reply>(Call&), or one that also takes the path's values: std::string or std::int64_t, in order.
// A value that is no such number is a path that is not there: 404.
class Handler {
 public:
  template <class... Values>
  Handler(Async<Reply> (*function)(Call&, Values...))
      : values_(sizeof...(Values)), whole_numbers_{std::integral<std::decay_t<Values>>...} {
    call_ = [function](Call& call, const PathValues& path) {
      return apply(function, call, path, std::index_sequence_for<Values...>());
    };
  }
  // For handlers with state of their own: must return a coroutine, not be a capturing one.
  Handler(std::function<Async<Reply>(Call&, const PathValues&)> function) : call_(std::move(function)) {}

  Async<Reply> operator()(Call& call, const PathValues& path) const { return call_(call, path); }
  std::optional<std::size_t> values() const { return values_; }
  const std::vector<bool>& whole_numbers() const { return whole_numbers_; }  // which of them are

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
      const auto number = number_in<T>(text);
      if (!number) throw Failure(FailureKind::not_found, "there is nothing here");
      return *number;
    }
  }

  std::function<Async<Reply>(Call&, const PathValues&)> call_;
  std::optional<std::size_t> values_;
  std::vector<bool> whole_numbers_;
};

// nginx's guard in front of a route, for each address: a flood is refused before it costs a worker anything. Danger:
// nginx knows no users, and a whole office may share one address.
struct EdgeLimit {
  std::string rate;        // "20r/s" or "30r/m"
  std::int64_t burst = 0;  // requests that may come at once before that

  // Of the settings NAME_RATE and NAME_BURST.
  static EdgeLimit of(SettingReader& settings, const std::string& name, std::string rate, std::int64_t burst) {
    EdgeLimit limit;
    settings.rate(name + "_RATE", limit.rate, std::move(rate));
    settings.integer(name + "_BURST", limit.burst, burst, 1, 99'999);
    return limit;
  }
};

struct RouteOptions {
  std::string summary;                    // one line, for people: "Renames the layers of a frame"
  Type query = {};                        // type_of<T>()
  std::optional<Content> body = {};       // json_of<T>(), bytes_of(...); a POST, PUT or PATCH says it, be it nothing()
  std::vector<RouteAnswer> answers = {};  // one at least
  std::vector<FailureKind> fails = {};    // besides those that follow from what is declared (host/openapi.h)
  Auth auth = Auth::none;
  std::string permission = {};          // that a plugin's token takes (core/plugin_tokens.h); empty: none is taken
  std::optional<RateLimit> limit;       // for each client (Call::client_key); none: REQUESTS_PER_MINUTE, for all such
  bool limited = true;                  // false: neither; what operators and their programs ask for
  std::optional<EdgeLimit> edge;        // none: nginx's general guard alone (RATE_GENERAL)
  bool operators_only = false;          // nginx answers OPERATOR_ADDRESSES alone
  bool streams = false;                 // an event stream: one that resumes (Last-Event-ID) is counted, never refused
  std::optional<std::size_t> body_max;  // bytes; the setting BODY_MAX where it is not said
  std::optional<CacheRule> cache;       // of a GET: its replies are kept for the whole fleet
  bool recorded = true;                 // one row in api_calls for each request
};

// All that is said of a route, anywhere: nginx's part is made from it (host/nginx_routes.h), the API's description
// (host/openapi.h), and `plugfleet routes`. A module whose route lacks a summary, its answers or its body does not load.
struct Route {
  Method method;
  std::string path;  // "/notes/{id}": a {...} is one whole segment
  Handler handler;
  RouteOptions options = {};
  std::source_location at = std::source_location::current();
};

// What nginx serves of modules/NAME/static, at /static/NAME/. A file whose name holds its digest (app.3f9c01ab.js: a dot, 8
// to 64 hexadecimal digits, a dot) is kept by browsers for a year; any other is asked for again each time, which is a 304
// where it is the same.
struct Pages {
  std::vector<std::string> index_at = {};  // paths that answer static/index.html: "/", "/market/{id}"
  // Their Content-Security-Policy (CSP Level 3).
  std::string policy =
      "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
  // Where nginx serves what the module's jobs put into `served/` of Services::files: "/plugins"; empty: nowhere. It is the
  // work of strangers: a document of theirs runs scripts in an iframe of ours alone, with an opaque origin (HTML, "sandbox")
  // and no network but this fleet's; opened by itself it runs nothing. FILE.gz and FILE.br are what FILE is sent as to those
  // who take it so. Browsers keep what is below a folder `latest` for a minute, and all else for a year.
  std::string files_at = {};
};

struct Module {
  std::string name;
  std::vector<Route> routes;
  std::vector<JobHandler> jobs;
  std::vector<CronEntry> crons;
  Pages pages = {};
  std::vector<Offer> offers = {};       // to other modules, and what it needs of theirs: core/services.h
  std::vector<std::string> needs = {};  // {Teams::kService}
  // In each worker and runner: before its first request or job, and after its last. What `start` throws stops the process,
  // and so do 10 s; `stop` has 3 s. A process that is killed ends without it.
  std::function<Async<void>(Services& services)> start = {}, stop = {};
};

inline RateLimit per_client(std::int64_t points, Clock::duration duration, Clock::duration block = {}) {
  return {points, duration, block};
}

}  // namespace plugfleet
