// All that a process has, made once by its main program and used by every request. A module sees its Services alone
// (core/services.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/accounts.h"
#include "core/ai/ai.h"
#include "core/auth.h"
#include "core/jobs/body_store.h"
#include "core/jobs/job_events.h"
#include "core/jobs/job_intake.h"
#include "core/jobs/job_streams.h"
#include "core/jobs/jobs.h"
#include "core/operator_tokens.h"
#include "core/prompts.h"
#include "core/rate_limit.h"
#include "core/recorder.h"
#include "core/replica.h"
#include "core/reply_cache.h"
#include "core/services.h"
#include "core/settings.h"
#include "io/postgres.h"
#include "io/reactor.h"
#include "io/redis.h"

namespace plugfleet {

struct Module;

struct Platform {
  Platform(Reactor& reactor, const Settings& settings);
  ~Platform();

  // Makes what they are given, and what they offer to each other. Once, before anything is served.
  void add_modules(const std::vector<Module>& modules);
  // What that module is given; the platform's own where no module has this name.
  Services& services_of(std::string_view module);

  Reactor& reactor;
  const Settings& settings;
  Database database;
  Database reports;  // for long statements that only read
  Replica replica;   // for reads that may be a little old
  Redis redis;       // counters, breakers: lost at a restart without harm
  Redis payloads;    // images of jobs, memory only
  const Prompts prompts;
  HttpClient http;
  RateLimiter limiter;
  ReplyCache reply_cache;
  Authenticator authenticator;
  Accounts accounts;
  OperatorTokens operator_tokens;
  Recorder recorder;
  Ai ai;
  Jobs jobs;
  BodyStore body_store;
  JobEvents events;
  JobIntake intake;
  JobStreams streams;

 private:
  struct Given;
  Services own_;
  std::map<std::string, std::unique_ptr<Given>, std::less<>> given_;  // by module
};

}  // namespace plugfleet
