#include "core/platform.h"

namespace plugfleet {

Platform::Platform(Reactor& the_reactor, const Settings& the_settings)
    : reactor(the_reactor),
      settings(the_settings),
      database(reactor, {.conninfo = settings.database_url, .pool_max = static_cast<int>(settings.database_pool)}),
      redis(reactor, {.socket_path = settings.redis_socket}),
      payloads(reactor, {.socket_path = settings.payloads_socket}),
      http(reactor, static_cast<std::size_t>(settings.ai_in_flight_max)),
      limiter(redis),
      authenticator(settings),
      recorder(reactor, database),
      ai(reactor, http, redis, settings) {}

}  // namespace plugfleet
