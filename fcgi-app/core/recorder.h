// Rows that describe what happened, written to PostgreSQL in batches, off every request's path. Lost rows are counted,
// never waited for: while the database takes none, up to kWaitingMax rows of a kind wait in memory, and the oldest are
// dropped.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/text.h"
#include "core/jobs/jobs.h"
#include "core/usage.h"
#include "io/postgres.h"
#include "io/reactor.h"

namespace plugfleet {

struct ApiCallRow {
  std::string endpoint, ip_address, user_agent;
  int status = 0;
  double milliseconds = 0;
  WallClock::time_point created_at;
  // What record_api_calls takes.
  void fields(auto& f) const {
    f("endpoint", endpoint);
    f("ip_address", none_if_empty(ip_address));
    f("user_agent", none_if_empty(user_agent));
    f("response_status", status);
    f("response_time_ms", milliseconds);
    f("created_at", rfc3339(created_at));
  }
};

// A request that did its work at once: a job that is already completed or failed.
struct DoneJobRow {
  std::string id, type;
  JobStatus status = JobStatus::completed;
  Json facts;  // an object; those that its kind declares as columns (core/job.h) are columns of the row
  std::string payload = "null", result = "null";  // JSON, never an image
  std::optional<std::string> error_code, error_message;
  std::string user_email;
  std::optional<std::string> user_id;  // as the request said it
  std::optional<std::string> owner;    // as a token proved it
  std::optional<std::string> ip_address;
  std::optional<std::string> team, plugin;  // as NewJob has them
  WallClock::time_point started_at, completed_at;
  Usage usage{};
  // What record_jobs takes.
  void fields(auto& f) const {
    f("id", id);
    f("type", type);
    f("status", status);
    f("facts", text_of_facts(facts));
    f("payload", payload);
    f("result", result);
    f("error_code", error_code);
    f("error_message", error_message);
    f("user_email", user_email);
    f("user_id", user_id);
    f("owner", owner);
    f("ip_address", ip_address);
    f("started_at", rfc3339(started_at));
    f("completed_at", rfc3339(completed_at));
    bounded(usage).fields(f);
    f("team_id", team);
    f("plugin", plugin);
  }
};

class Recorder {
 public:
  Recorder(Reactor& reactor, Database& database);

  void record(ApiCallRow row);
  void record(DoneJobRow row);

  // Writes what waits; for the process's end. What is left after `patience` is counted as dropped.
  Async<void> flush(Clock::duration patience);

  std::size_t waiting() const { return calls_.rows.size() + jobs_.rows.size(); }

 private:
  template <class Row>
  struct Queue {
    explicit Queue(const char* table);
    std::deque<Row> rows;
    std::size_t batch;  // rows of the next statement at most
    Counter written, dropped;
  };

  template <class Row>
  void add(Queue<Row>& queue, Row row);
  template <class Row>
  Async<bool> write_batch(Queue<Row>& queue);
  Async<void> write_all();
  void schedule(Clock::duration delay);

  Reactor& reactor_;
  Database& database_;
  Timer timer_;
  bool writing_ = false;
  Queue<ApiCallRow> calls_;
  Queue<DoneJobRow> jobs_;
};

}  // namespace plugfleet
