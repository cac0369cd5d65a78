// One connection to PostgreSQL and the one statement it may be running. Its owner, the pool of postgres.cc, hears what
// becomes of it. Only postgres_connection.cc knows libpq.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/postgres.h"
#include "io/postgres_cancel.h"
#include "io/reactor.h"

struct pg_conn;
struct pg_result;

namespace plugfleet::postgres {

Failure unavailable();

// Shared by the coroutine that waits for it and the connection that runs it, so that either may go first.
struct Statement {
  enum class Protocol { one_with_params, script };

  std::string sql;
  Params params;
  Protocol protocol = Protocol::one_with_params;

  Waiter done;
  Rows rows;
  std::exception_ptr failure;
};

class Connection;

class ConnectionOwner {
 public:
  virtual void opened(Connection& connection) = 0;
  virtual void finished(Connection& connection) = 0;  // its statement has ended and another may be sent
  virtual void lost(Connection& connection, std::string_view why) = 0;  // it has closed itself

 protected:
  ~ConnectionOwner() = default;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Reactor& reactor, ConnectionOwner& owner, Canceller& canceller)
      : reactor_(reactor), owner_(owner), canceller_(canceller), timer_(reactor), patience_(reactor) {}
  ~Connection() { close(); }

  void open(const std::string& conninfo, Clock::duration timeout);
  void send(std::shared_ptr<Statement> statement, Clock::duration timeout);
  // Nobody waits for what it runs any more: that is cancelled, where it does not end in a moment.
  void abandon();
  // Closes at once and tells the owner. What was running has failed.
  void lose(std::string_view why);
  // The same, and tells nobody.
  void close();

  bool is_open() const { return open_; }  // and not closed since
  bool is_closed() const { return closed_; }
  bool is_busy() const { return statement_ != nullptr || cancelling_; }
  bool in_transaction() const;
  // A connection at rest has nothing to say: something to read means that the other side has left, or is about to.
  bool is_stale() const;

  // The pool's own notes.
  bool leased = false;          // a coroutine decides what is sent next
  bool proven = false;          // a statement has run to its end here
  bool rolling_back = false;    // what an unfinished transaction left is being undone
  bool refuses_writes = false;  // a statement was refused because the session is read-only

 private:
  void negotiate();
  void on_ready();
  void flush();
  void take(pg_result* result);
  void finish();
  void cancel();
  void watch_deadline();

  Reactor& reactor_;
  ConnectionOwner& owner_;
  Canceller& canceller_;
  pg_conn* conn_ = nullptr;
  std::unique_ptr<FdWatch> watch_;  // ends before conn_ does
  Timer timer_;
  Timer patience_;  // with a statement that is abandoned
  Clock::time_point deadline_;
  std::shared_ptr<Statement> statement_;
  std::vector<const char*> values_;  // kept for its memory alone
  bool open_ = false, closed_ = false;
  bool left_ = false;        // nobody waits for what it runs
  bool overdue_ = false;     // its statement is past its timeout, and is being cancelled
  bool cancelling_ = false;  // the server is being asked to: what is sent before that has returned may be hit
};

}  // namespace plugfleet::postgres
