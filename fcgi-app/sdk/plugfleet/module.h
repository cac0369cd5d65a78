// The one header a module includes.
//
//   namespace notes {
//   using namespace plugfleet;
//
//   Async<Reply> show(Call& call, std::int64_t id) { ... co_return json(200, note); }
//
//   Module describe(SettingReader& settings) {
//     return {.name = "notes", .routes = {{Method::GET, "/notes/{id}", show, {.auth = Auth::required}}}};
//   }
//   }  // namespace notes
//   PLUGFLEET_MODULE(notes::describe)
//
// `describe` is called once at start; it may read settings of its own, whose manual is modules/NAME/NAME.conf.
// Handlers are coroutines on the process's one thread: they wait only by co_await, take parameters by value (but the
// Call&), and offload CPU work over a millisecond with call.services.reactor.offload.
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "core/call.h"
#include "core/module.h"
#include "core/settings.h"
#include "io/parallel.h"
#include "wire/fields.h"
#include "wire/reply.h"

#define PLUGFLEET_MODULE(describe)                                                                    \
  extern "C" {                                                                                        \
  extern const int plugfleet_module_abi;                                                              \
  const int plugfleet_module_abi = ::plugfleet::kModuleAbi;                                           \
  void plugfleet_module_describe(::plugfleet::SettingReader* settings, ::plugfleet::Module* module) { \
    *module = describe(*settings);                                                                    \
  }                                                                                                   \
  }
