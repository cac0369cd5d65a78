#include "core/platform.h"

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
      http(reactor, static_cast<std::size_t>(settings.ai_in_flight_max)),
      limiter(redis),
      reply_cache(redis),
      authenticator(settings),
      operator_tokens(database),
      recorder(reactor, database),
      ai(reactor, http, redis, settings),
      jobs(database, std::chrono::duration_cast<milliseconds>(settings.job_lease)),
      job_payloads(payloads, std::chrono::duration_cast<std::chrono::seconds>(settings.job_payload_ttl)),
      events(reactor, redis, {.address = settings.redis_socket}),
      intake(reactor, jobs, job_payloads, events),
      streams(reactor, jobs, job_payloads, events, redis,
              {.process = settings.streams_max, .client = settings.streams_per_client}) {}

}  // namespace plugfleet
