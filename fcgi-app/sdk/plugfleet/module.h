// The one header a module includes. `scripts/dev/new-module NAME` writes a module to begin with, and its test.
//
//   namespace notes {
//   using namespace plugfleet;
//
//   Async<Reply> show(Call& call, std::int64_t id) { ... co_return json(200, note); }
//
//   Async<Outcome> make_digest(Work& work, Wanted wanted) { ... co_return done(Json::object({{"sent", 3}})); }
//
//   Async<Reply> digest(Call& call) {     // now, or as a job where the client prefers (Prefer: respond-async)
//     const auto wanted = co_await call.json<Wanted>();  // may hold images: they come to the job, and rest nowhere
//     Reply reply = co_await call.answer({.kind = "notes.digest", .user_email = wanted.user_email},
//                                        [wanted](Work& work) { return make_digest(work, wanted); });
//     co_return reply;
//   }
//   Async<Outcome> run_digest(Job& job) {
//     const auto wanted = co_await job.json<Wanted>();
//     Outcome outcome = co_await make_digest(job, wanted);
//     co_return outcome;
//   }
//
//   Module describe(SettingReader& settings) {
//     return {.name = "notes",
//             .routes = {{Method::GET, "/notes/{id}", show,
//                         {.summary = "A note", .answers = {{200, json_of<Note>()}}, .auth = Auth::required}},
//                        {Method::POST, "/notes/digest", digest,
//                         {.summary = "Counts what all notes say",
//                          .body = json_of<Wanted>(),
//                          .answers = answers_of_work<Digest>()}}},
//             .jobs = {{.kind = "notes.digest", .run = run_digest}}};
//   }
//   }  // namespace notes
//   PLUGFLEET_MODULE(notes::describe)
//
// `describe` is called once at start; it may read settings of its own, whose manual is modules/NAME/NAME.conf.
// Handlers are coroutines on the process's one thread: they wait only by co_await, take parameters by value (but the
// Call& or Job&), and offload CPU work over a millisecond with call.services.reactor.offload. What takes a Work& serves
// requests and jobs alike. More of jobs, and of what happens at certain times: core/job.h; of the database:
// docs/modules.md.
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "core/access_tokens.h"
#include "core/call.h"
#include "core/job.h"
#include "core/jwks.h"
#include "core/module.h"
#include "core/new_token.h"
#include "core/page.h"
#include "core/plugin_tokens.h"
#include "core/sessions.h"
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
