// The pool. Where its connections are:
//
//               open()                negotiated              dispatch(): nobody waits
//    (nothing) ───────> connecting ────────────────────────────────────────────> idle
//                           │              │                                    │    ▲
//                           │              │ dispatch(): the first who waits    │    │ retire()
//                           │              ▼              take_idle()           ▼    │
//                           │           leased <────────────────────────────────┘    │
//                           │              │  ~Lease: at rest, or when its statement │
//                           │              │  has ended; a transaction left open is  │
//                           ▼              ▼  rolled back first                      │
//                        lost() <────── retiring ────────────────────────────────────┘
//
// What holds whenever the reactor waits (the tests cite these numbers):
//
//  1. connecting, idle, leased and retiring connections are at most pool_max together.
//  2. An idle connection runs nothing, is in no transaction and belongs to no coroutine.
//  3. Nobody waits while a connection is idle.
//  4. Who waits is served in the order of arrival. At most waiting_max wait, none longer than acquire_timeout; one that
//     is cancelled leaves the queue, and what it was handed goes to the next.
//  5. A statement whose caller has left is cancelled, unless it ends in a moment; so is one past statement_timeout, and
//     its connection is closed where it does not end then. No connection whose statement is being cancelled is handed
//     out: the next one might be hit.
//  6. A statement is sent at most once. An idle connection that the other side has closed is not sent one.
//  7. A connection is proven once a statement has run to its end on it; one lost before that is a failed attempt. After
//     a failed attempt there is one at a time, each after a pause that grows to kPauseMax, whether or not anybody asks;
//     what it opens is proven before it is handed out, for PgBouncer takes connections that PostgreSQL can't serve.
//  8. A session that has refused to write is ended, at most one each kRenewEvery: PgBouncer would lend it for an hour
//     more, read-only as the database, or the host behind an address, was when it began.
//  9. While attempts fail and nothing has ended for acquire_timeout, queries fail at once.
#include "io/postgres.h"

#include <algorithm>
#include <cassert>
#include <list>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "io/postgres_connection.h"

namespace plugfleet {
namespace postgres {
namespace {

constexpr Clock::duration kPauseMin = 50ms, kPauseMax = 2s;
constexpr Clock::duration kRenewEvery = 5s;

// PgBouncer may lend another session for this one: that is ended only where it is read-only as well.
constexpr const char* kEndReadOnlySession =
    "select pg_terminate_backend(pg_backend_pid()) where current_setting('transaction_read_only')::bool";

}  // namespace

// A connection that one coroutine decides about.
class Lease {
 public:
  Lease() = default;
  Lease(std::shared_ptr<Pool> pool, std::shared_ptr<Connection> connection);
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(connection_, other.connection_);
    return *this;
  }
  ~Lease();

  explicit operator bool() const { return connection_ != nullptr; }
  Connection& connection() const { return *connection_; }
  std::shared_ptr<Statement> send(std::string sql, Params params, Statement::Protocol protocol) const;

 private:
  std::shared_ptr<Pool> pool_;
  std::shared_ptr<Connection> connection_;
};

class Pool final : public ConnectionOwner, public std::enable_shared_from_this<Pool> {
 public:
  Pool(Reactor& reactor, DatabaseOptions options)
      : options_(std::move(options)), reactor_(reactor), canceller_(reactor), retry_(reactor), expiry_(reactor) {}

  Async<Lease> acquire();
  void give_back(const std::shared_ptr<Connection>& connection);

  Async<void> drain(Clock::duration grace);
  void shut();

  bool reachable() const { return failures_ == 0 || Clock::now() - last_success_ < options_.acquire_timeout; }
  const std::string& trouble() const { return trouble_; }
  Database::Stats stats() const;
  const DatabaseOptions& options() const { return options_; }

  void opened(Connection& connection) override;
  void finished(Connection& connection) override;
  void lost(Connection& connection, std::string_view why) override;

 private:
  struct Ticket;  // a place in the queue
  enum class Place { first, last };

  static bool is_open(const std::shared_ptr<Connection>& connection) { return connection->is_open(); }
  static bool is_proven(const std::shared_ptr<Connection>& connection) { return connection->proven; }

  Lease take_idle();
  void retire(const std::shared_ptr<Connection>& connection);
  void dispatch(std::shared_ptr<Connection> connection);
  void open();
  void open_more();
  void attempt_failed(std::string_view why);
  void check_drained();
  void expire();
  [[noreturn]] void refuse(std::string_view why);

  const DatabaseOptions options_;
  Reactor& reactor_;
  Canceller canceller_;
  std::vector<std::shared_ptr<Connection>> connections_;  // all of them
  std::vector<std::shared_ptr<Connection>> idle_;         // the last one in is the first one out
  std::list<Ticket*> waiting_;                            // by deadline, and so by arrival
  Timer retry_;                                           // armed: no attempt before it goes off
  Timer expiry_;                                          // goes off no later than the first deadline of waiting_
  int failures_ = 0;                                      // attempts in a row
  Clock::time_point failing_since_, last_success_, last_complaint_, last_renewal_;
  std::string trouble_;
  bool closing_ = false;
  Waiter drained_;
};

// ---- Lease -------------------------------------------------------------------------------------------------------

Lease::Lease(std::shared_ptr<Pool> pool, std::shared_ptr<Connection> connection)
    : pool_(std::move(pool)), connection_(std::move(connection)) {
  connection_->leased = true;
}

Lease::~Lease() {
  if (connection_) pool_->give_back(connection_);
}

std::shared_ptr<Statement> Lease::send(std::string sql, Params params, Statement::Protocol protocol) const {
  if (connection_->is_closed()) throw unavailable();
  auto statement = std::make_shared<Statement>(std::move(sql), std::move(params), protocol);
  connection_->send(statement, pool_->options().statement_timeout);
  return statement;
}

// ---- Waiting for a connection ------------------------------------------------------------------------------------

struct Pool::Ticket {
  Ticket(Pool& its_pool, Clock::time_point until, Place place) : pool(its_pool), deadline(until) {
    auto& queue = pool.waiting_;
    at = queue.insert(place == Place::first ? queue.begin() : queue.end(), this);
    if (!pool.expiry_.armed()) pool.expire();
  }
  ~Ticket() { leave(); }
  Ticket(const Ticket&) = delete;

  void leave() {
    if (at != pool.waiting_.end()) pool.waiting_.erase(std::exchange(at, pool.waiting_.end()));
  }

  Pool& pool;
  const Clock::time_point deadline;
  std::list<Ticket*>::iterator at;
  Waiter waiter;
  Lease lease;  // empty after the wait: it was in vain
};

Async<Lease> Pool::acquire() {
  const auto deadline = Clock::now() + options_.acquire_timeout;
  for (Place place = Place::last;; place = Place::first) {
    Lease lease = waiting_.empty() ? take_idle() : Lease();
    if (!lease) {
      if (closing_) throw unavailable();
      if (waiting_.size() >= static_cast<std::size_t>(options_.waiting_max)) refuse("too many wait");
      if (!reachable() && Clock::now() - failing_since_ >= options_.acquire_timeout) throw unavailable();
      Ticket ticket(*this, deadline, place);
      open_more();
      co_await ticket.waiter.wait();
      lease = std::move(ticket.lease);
      if (!lease) refuse("no connection in time");
    }
    if (!lease.connection().is_closed() && !lease.connection().is_stale()) co_return std::move(lease);
    if (!lease.connection().is_closed()) lease.connection().lose("closed by the other side while at rest");
  }
}

Lease Pool::take_idle() {
  if (idle_.empty() || closing_) return {};
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return {shared_from_this(), std::move(connection)};
}

void Pool::expire() {
  const auto now = Clock::now();
  while (!waiting_.empty() && waiting_.front()->deadline <= now) {
    Ticket& late = *waiting_.front();
    late.leave();
    late.waiter.resume();
  }
  if (!waiting_.empty()) expiry_.arm(waiting_.front()->deadline - now, [this] { expire(); });
  check_drained();
}

// One line a second at most: the requests that fail have a line of their own.
void Pool::refuse(std::string_view why) {
  const auto now = Clock::now();
  if (now - last_complaint_ > 1s && !closing_) {
    last_complaint_ = now;
    log(Severity::warning, "database_refused", {{"why", why}, {"waiting", waiting_.size()}});
  }
  throw unavailable();
}

// ---- A connection's way ------------------------------------------------------------------------------------------

void Pool::open() {
  auto connection = std::make_shared<Connection>(reactor_, *this, canceller_);
  connections_.push_back(connection);
  assert(connections_.size() <= static_cast<std::size_t>(options_.pool_max));  // 1
  connection->open(options_.conninfo, options_.connect_timeout);
}

void Pool::open_more() {
  const auto may_open = [this] {
    if (retry_.armed() || connections_.size() >= static_cast<std::size_t>(options_.pool_max)) return false;
    if (failures_ > 0 && !std::ranges::all_of(connections_, is_proven)) return false;
    const auto connecting =
        connections_.size() - static_cast<std::size_t>(std::ranges::count_if(connections_, is_open));
    return connecting < waiting_.size();
  };
  while (may_open()) open();
}

void Pool::opened(Connection& connection) {
  if (failures_ == 0) return dispatch(connection.shared_from_this());
  connection.send(std::make_shared<Statement>("select 1"), options_.statement_timeout);
}

void Pool::dispatch(std::shared_ptr<Connection> connection) {
  assert(!connection->leased && !connection->is_busy() && !connection->in_transaction());  // 2
  if (waiting_.empty()) {
    idle_.push_back(std::move(connection));
    return check_drained();
  }
  Ticket& first = *waiting_.front();
  assert(idle_.empty());  // 3
  first.leave();
  first.lease = Lease(shared_from_this(), std::move(connection));
  first.waiter.resume();
}

void Pool::give_back(const std::shared_ptr<Connection>& connection) {
  connection->leased = false;
  if (connection->is_closed()) return;
  connection->is_busy() ? connection->abandon() : retire(connection);
}

void Pool::finished(Connection& connection) {
  last_success_ = Clock::now();
  connection.proven = true;
  if (std::exchange(failures_, 0) > 0) {
    log(Severity::info, "database_reachable", {{"after_ms", to_ms(Clock::now() - failing_since_)}});
    retry_.disarm();
    open_more();
  }
  if (!connection.leased) retire(connection.shared_from_this());
}

void Pool::retire(const std::shared_ptr<Connection>& connection) {
  if (!connection->in_transaction()) {
    connection->rolling_back = false;
    const auto now = Clock::now();
    if (!std::exchange(connection->refuses_writes, false) || now - last_renewal_ < kRenewEvery || closing_) {
      return dispatch(connection);
    }
    last_renewal_ = now;
    return connection->send(std::make_shared<Statement>(kEndReadOnlySession), options_.statement_timeout);
  }
  if (connection->rolling_back) return connection->lose("a transaction could not be rolled back");
  connection->rolling_back = true;
  connection->send(std::make_shared<Statement>("rollback"), options_.statement_timeout);
}

void Pool::lost(Connection& connection, std::string_view why) {
  const auto is_it = [&](const std::shared_ptr<Connection>& other) { return other.get() == &connection; };
  std::erase_if(idle_, is_it);
  std::erase_if(connections_, is_it);
  if (connection.proven) {
    log(Severity::warning, "database_connection_lost", {{"why", why}});
  } else {
    attempt_failed(why);
  }
  // The last connection of a pool whose attempts were failing: the next one may have waited for somebody to ask.
  failures_ > 0 && connections_.empty() && !retry_.armed() && !closing_ ? open() : open_more();
  check_drained();
}

void Pool::attempt_failed(std::string_view why) {
  trouble_ = why;
  if (failures_++ == 0) {
    failing_since_ = Clock::now();
    log(Severity::warning, "database_unreachable", {{"why", why}});
  }
  if (closing_ && waiting_.empty()) return;
  auto pause = std::min(kPauseMax, kPauseMin * (1 << std::min(failures_ - 1, 10)));
  pause -= pause / 2 * (random_u64() % 1024) / 1024;  // so that a fleet does not come back all at once
  retry_.arm(pause, [this] { connections_.empty() ? open() : open_more(); });
}

// ---- The end -----------------------------------------------------------------------------------------------------

void Pool::check_drained() {
  if (closing_ && waiting_.empty() && idle_.size() == connections_.size()) drained_.resume();
}

Async<void> Pool::drain(Clock::duration grace) {
  closing_ = true;
  check_drained();
  co_await drained_.wait_for(grace);
  shut();
}

void Pool::shut() {
  closing_ = true;
  retry_.disarm();
  expiry_.disarm();
  idle_.clear();
  for (const auto& connection : std::exchange(connections_, {})) connection->close();
  while (!waiting_.empty()) {
    Ticket& ticket = *waiting_.front();
    ticket.leave();
    ticket.waiter.resume();
  }
}

Database::Stats Pool::stats() const {
  return {.open = static_cast<int>(std::ranges::count_if(connections_, is_open)),
          .idle = static_cast<int>(idle_.size()),
          .waiting = static_cast<int>(waiting_.size())};
}

namespace {

Async<Rows> run(std::shared_ptr<Pool> pool, std::string sql, Params params, Statement::Protocol protocol) {
  const Lease lease = co_await pool->acquire();
  const std::shared_ptr<Statement> statement = lease.send(std::move(sql), std::move(params), protocol);
  co_await statement->done.wait();
  if (statement->failure) std::rethrow_exception(statement->failure);
  co_return std::move(statement->rows);
}

}  // namespace
}  // namespace postgres

using postgres::Statement;

// ---- Transaction -------------------------------------------------------------------------------------------------

namespace {

Async<Rows> run_within(const postgres::Lease& lease, std::string sql, Params params, Statement::Protocol protocol) {
  if (lease.connection().is_busy()) throw Failure(FailureKind::internal, "a transaction runs one statement at a time");
  const std::shared_ptr<Statement> statement = lease.send(std::move(sql), std::move(params), protocol);
  co_await statement->done.wait();
  if (statement->failure) std::rethrow_exception(statement->failure);
  co_return std::move(statement->rows);
}

}  // namespace

Transaction::Transaction(std::unique_ptr<postgres::Lease> lease) : lease_(std::move(lease)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

Async<Rows> Transaction::run(std::string sql, Params params) {
  return run_within(*lease_, std::move(sql), std::move(params), Statement::Protocol::one_with_params);
}

Async<Rows> Transaction::script(std::string sql) {
  Rows rows = co_await run_within(*lease_, std::move(sql), {}, Statement::Protocol::script);
  if (!lease_->connection().in_transaction()) throw SqlError("25P01", "the script ended the transaction it was run in");
  co_return std::move(rows);
}

Async<void> Transaction::commit() {
  const Rows rows = co_await query("commit");
  if (rows.command() != "COMMIT") throw SqlError("25P02", "the transaction had failed and was rolled back");
  for (const auto& fn : std::exchange(on_commit_, {})) fn();
}

// ---- Database ----------------------------------------------------------------------------------------------------

Database::Database(Reactor& reactor, DatabaseOptions options)
    : pool_(std::make_shared<postgres::Pool>(reactor, std::move(options))) {}
Database::~Database() { pool_->shut(); }

Async<Rows> Database::run(std::string sql, Params params) {
  return postgres::run(pool_, std::move(sql), std::move(params), Statement::Protocol::one_with_params);
}

Async<Rows> Database::script(std::string sql) {
  return postgres::run(pool_, std::move(sql), {}, Statement::Protocol::script);
}

Async<Transaction> Database::begin() {
  const auto pool = pool_;
  auto lease = std::make_unique<postgres::Lease>(co_await pool->acquire());
  Transaction transaction(std::move(lease));
  co_await transaction.query("begin");
  co_return std::move(transaction);
}

Async<void> Database::close(Clock::duration grace) {
  const auto pool = pool_;
  co_await pool->drain(grace);
}

bool Database::reachable() const { return pool_->reachable(); }
std::string Database::trouble() const { return pool_->trouble(); }
Database::Stats Database::stats() const { return pool_->stats(); }

}  // namespace plugfleet
