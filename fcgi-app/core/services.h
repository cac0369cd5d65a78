// What a module is given of the platform: `call.services`, `job.services`. Each module of a process has its own. Nothing
// here knows a secret, another module's tables, or what else the process does.
//
// A service that one module offers to others is an abstract class with a name and a version, in a header that they may
// include (modules/NAME/services/*.h):
//
//   class Teams {
//    public:
//     static constexpr const char* kService = "accounts.teams/1";  // the number is raised with each change of it
//     virtual ~Teams() = default;
//     virtual Async<std::vector<std::string>> of_user(std::string user) = 0;
//   };
//
// The one says `.offers = {offer<Teams, SqlTeams>()}`, whose SqlTeams is made of the Services& of its own module, once in
// each process; the other says `.needs = {Teams::kService}` and asks `call.services.get<Teams>().of_user(id)`. A need that
// no loaded module offers, and an offer that another makes too, stop the process at its start.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/prompts.h"
#include "core/replica.h"
#include "core/reply_cache.h"
#include "io/http_client.h"
#include "io/postgres.h"
#include "io/reactor.h"

namespace plugfleet {

struct Services {
  Reactor& reactor;
  Database& database;  // the module's own (DATABASE_NAME), or the fleet's
  Replica& replica;    // for reads that may be a little old
  ReplyCache& reply_cache;
  HttpClient& http;              // to ask others; a wait of its own for each request
  const Prompts prompts;         // the module's own
  const std::string public_url;  // "https://example.com": what a link to this fleet begins with
  // A folder of the module's own on this host, which backups hold but for `tmp/` in it; empty where FILES_DIR is. Whoever
  // writes into it first makes it. Nobody else reads what is in it but nginx, below `served/` (core/module.h, Pages::files_at).
  const std::string files;

  // The service of another module, by the class that it is offered as. One that .needs does not name is a mistake of the
  // program's.
  template <class Service>
  Service& get() const {
    const auto found = others.find(Service::kService);
    if (found == others.end()) throw std::logic_error(fmt::format("this module's .needs lacks {}", Service::kService));
    return *std::static_pointer_cast<Service>(found->second);
  }
  std::map<std::string, std::shared_ptr<void>, std::less<>> others = {};  // those that it needs; for get()
};

struct Offer {
  std::string service;
  std::function<std::shared_ptr<void>(Services& own)> make;
};

template <class Service, class Made>
Offer offer() {
  return {Service::kService,
          [](Services& own) { return std::static_pointer_cast<void>(std::shared_ptr<Service>(new Made(own))); }};
}

}  // namespace plugfleet
