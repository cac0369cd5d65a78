// A module under test: its routes are asked as nginx would ask them, through dispatch, and its jobs run when the test
// says so. It needs no server. What is enqueued is kept here (with a transaction, once that commits); PostgreSQL and Redis
// are down, so a route that needs them answers 503; the AI is the offline one. A test that wants PostgreSQL gives it the
// settings of a database of its own: support/fresh_database.h.
//
//   ASYNC_TEST(a_long_text_becomes_a_job) {
//     ModuleTest module(reactor);
//     const Reply reply =
//         co_await module.ask("POST", "/api/notes", R"({"text": "..."})", {{"Prefer", "respond-async"}});
//     check_reply(reply, 202, R"("status":"queued")");
//     const Outcome outcome = co_await module.run_next("notes.count");
//     check_outcome(outcome, JobOutcome::done, R"({"words":3})");
//   }
#pragma once

#include <plugfleet/module.h>

#include <deque>

#include "support/async.h"
#include "support/check.h"
#include "support/served.h"

extern "C" void plugfleet_module_describe(plugfleet::SettingReader* settings, plugfleet::Module* module);

namespace plugfleet::test {

class ModuleTest {
 public:
  // Of the module that the test is linked with (the one in whose folder it stands).
  explicit ModuleTest(Reactor& reactor, const Values& settings = {})
      : served_(reactor, settings, [this](SettingReader& reader) { plugfleet_module_describe(&reader, &module_); }) {
    begin();
  }

  // `headers` as a client sends them: {{"Prefer", "respond-async"}}. A body goes as JSON.
  Async<Reply> ask(std::string method, std::string path, std::string body = "", Fields headers = {});

  // What was enqueued and has not run, the oldest first.
  const std::deque<NewJob>& enqueued() const { return enqueued_; }

  // Runs the oldest enqueued job, which must be of that kind; what its handler throws becomes what it would for a
  // runner.
  Async<Outcome> run_next(std::string kind);
  // Runs a job with that payload (JSON), as a cron entry's say.
  Async<Outcome> run(std::string kind, std::string payload);

  // What the job that ran last has told: "50 half of it".
  const std::vector<std::string>& progress() const { return progress_; }

 private:
  void begin();
  Async<Outcome> run_job(NewJob job, std::string body);

  Module module_;
  Served served_;
  std::deque<NewJob> enqueued_;
  std::deque<std::string> bodies_;  // theirs
  std::vector<std::string> progress_;
};

// The status, and a part of the body (all of it where that is short enough to say).
void check_reply(const Reply& reply, int status, std::string_view part,
                 std::source_location where = std::source_location::current());
// What became of the job, and a part of its result or, where it was not done, of its message.
void check_outcome(const Outcome& outcome, JobOutcome what, std::string_view part,
                   std::source_location where = std::source_location::current());

}  // namespace plugfleet::test
