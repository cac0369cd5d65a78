#include "core/platform.h"

#include <utility>

#include "core/module.h"

namespace plugfleet {
namespace {

constexpr auto kPayloadTimeout = 5s;  // until a body of many megabytes is there, behind those of others
constexpr auto kReportTimeout = 10s;
constexpr auto kReplicaPatience = 500ms;  // there is somebody else to ask

}  // namespace

Platform::Platform(Reactor& the_reactor, const Settings& the_settings)
    : reactor(the_reactor),
      settings(the_settings),
      database(reactor, {.conninfo = settings.database_url, .pool_max = static_cast<int>(settings.database_pool)}),
      reports(reactor, {.conninfo = settings.reports_database_url, .pool_max = 1, .statement_timeout = kReportTimeout}),
      replica(reactor,
              {.conninfo = settings.replica_database_url,
               .pool_max = static_cast<int>(settings.database_pool),
               .acquire_timeout = kReplicaPatience,
               .statement_timeout = kReportTimeout},
              settings.replica_lag_max, database),
      redis(reactor, {.address = settings.redis_socket}),
      payloads(reactor, {.address = settings.payloads_socket, .command_timeout = kPayloadTimeout}),
      prompts(settings.prompts_dir),
      http(reactor, static_cast<std::size_t>(settings.ai_in_flight_max), settings.http_proxy),
      limiter(redis),
      reply_cache(redis),
      authenticator(settings, reactor, http, database),
      accounts(database),
      operator_tokens(database),
      recorder(reactor, database),
      ai(reactor, http, redis, settings),
      jobs(database, std::chrono::duration_cast<milliseconds>(settings.job_lease)),
      body_store(payloads, std::chrono::duration_cast<std::chrono::seconds>(settings.job_payload_ttl)),
      events(reactor, redis, {.address = settings.redis_socket}),
      intake(reactor, jobs, body_store, events),
      streams(reactor, jobs, body_store, events, redis,
              {.process = settings.streams_max, .client = settings.streams_per_client}),
      own_{reactor, database, replica, reply_cache, http, prompts, settings.public_url, {}} {}

Platform::~Platform() = default;

// A module with a database of its own has no replica: its reads go to that database.
struct Platform::Given {
  Given(Platform& platform, const std::string& module) {
    const auto own = platform.settings.module_databases.find(module);
    if (own != platform.settings.module_databases.end()) {
      const DatabaseOptions options{.conninfo = own->second,
                                    .pool_max = static_cast<int>(platform.settings.database_pool)};
      database = std::make_unique<Database>(platform.reactor, options);
      replica = std::make_unique<Replica>(platform.reactor, DatabaseOptions{}, Clock::duration{}, *database);
    }
    services.emplace(platform.reactor, database ? *database : platform.database, replica ? *replica : platform.replica,
                     platform.reply_cache, platform.http, platform.prompts.of(module), platform.settings.public_url,
                     platform.settings.files_dir.empty() ? "" : platform.settings.files_dir + "/" + module);
  }

  std::unique_ptr<Database> database;
  std::unique_ptr<Replica> replica;
  std::optional<Services> services;
};

void Platform::add_modules(const std::vector<Module>& modules) {
  std::map<std::string, std::shared_ptr<void>, std::less<>> offered;
  for (const Module& module : modules) {
    Services& services =
        *given_.emplace(module.name, std::make_unique<Given>(*this, module.name)).first->second->services;
    for (const Offer& offer : module.offers) offered.emplace(offer.service, offer.make(services));
  }
  std::map<std::string, JobPrice> prices;
  for (const Module& module : modules) {
    for (const JobHandler& job : module.jobs) {
      if (job.price) prices.emplace(job.kind, *job.price);
    }
  }
  intake.set_prices(std::move(prices));
  for (const Module& module : modules) {
    for (const std::string& need : module.needs) services_of(module.name).others.emplace(need, offered.at(need));
  }
}

Services& Platform::services_of(std::string_view module) {
  const auto found = given_.find(module);
  return found == given_.end() ? own_ : *found->second->services;
}

}  // namespace plugfleet
