// A platform, and routes behind dispatch and the edge, on a test's own reactor. It needs no server: where the settings
// name none, PostgreSQL and Redis are simply down.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "host/dispatch.h"
#include "support/edge.h"

namespace plugfleet::test {

using Values = std::map<std::string, std::string>;
using Fields = std::vector<std::pair<std::string, std::string>>;

struct WithPlatform {
  // `more` may read settings of its own.
  WithPlatform(Reactor& reactor, const Values& values, const std::function<void(SettingReader&)>& more = {}) {
    SettingReader reader(values);
    settings.rows(reader);
    if (more) more(reader);
    reader.finish();
    log_open("/dev/null", Severity::error);
    platform.emplace(reactor, settings);
  }

  Settings settings;
  std::optional<Platform> platform;
};

struct Served : WithPlatform {
  Served(Reactor& reactor, const Values& values, const std::function<void(SettingReader&)>& more = {})
      : WithPlatform(reactor, values, more), edge(reactor) {
    dispatch.emplace(*platform, router);
    edge.serve(*dispatch);
  }
  ~Served() { edge.end(); }

  void add_routes(std::vector<Route> routes) {
    for (Route& route : routes) router.add("test", std::move(route));
  }

  // The reply as nginx gets it: "Status: 200 OK", headers, an empty line, the body. `params` are nginx's, and go before
  // those that stand here.
  Async<std::string> ask(std::string method, std::string path, std::string body = "", Fields params = {}) {
    params.insert(params.end(), {{"REQUEST_METHOD", method},
                                 {"DOCUMENT_URI", path},
                                 {"REMOTE_ADDR", "10.0.0.1"},
                                 {"TRACE_ID", "trace-7"},
                                 {"CONTENT_LENGTH", std::to_string(body.size())}});
    if (!body.empty()) params.emplace_back("CONTENT_TYPE", "application/json");
    co_await edge.send(request_bytes(1, params, body, true));
    std::string reply = co_await edge.reply();
    co_return reply;
  }

  // Until what was asked so far is recorded: the recorder must not be at work when the platform goes, nor when a
  // database of the test's own does.
  Async<void> settled() {
    if (!settings.database_url.empty()) co_await platform->recorder.flush(5s);
  }

  Router router;
  std::optional<Dispatch> dispatch;
  Edge edge;
};

}  // namespace plugfleet::test
