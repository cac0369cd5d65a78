// PostgreSQL, asynchronously: a bounded pool of connections, made to go through PgBouncer in transaction mode. Nothing
// outlives a transaction: no SET, no LISTEN, no prepared statement with a name, no lock of a session.
//
//   const auto note = co_await db.maybe<Note>("select id, title from notes where id = $1 and owner = $2", id, user);
//   const Rows rows = co_await db.query("update notes set title = $1 where tag = any($2) returning id", {title, tags});
//
//   Transaction transaction = co_await db.begin();
//   co_await transaction.query("delete from notes where owner = $1", {user});
//   co_await transaction.commit();
//
// What fails: Failure(unavailable) when there is no database, no turn in time, or no answer (whether the statement took
// effect is then unknown; none is ever sent twice); SqlError when PostgreSQL refused the statement, or cancelled it as
// it took too long: it took no effect then; RowError when its rows are not what they are taken for (io/rows.h).
// A statement whose caller is cancelled runs to its end where that takes a moment; it is cancelled after that, and a
// transaction with it: nothing of it took effect then.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/failure.h"
#include "io/reactor.h"
#include "io/rows.h"

namespace plugfleet {

// What a SQLSTATE speaks of (PostgreSQL manual, appendix A).
enum class SqlFault {
  server,     // its state: read-only, full, starting, too busy, a lost race. The same statement is right later
  data,       // a value that can't be stored: of a wrong shape, against a constraint, over a limit
  statement,  // ours: a mistake in the program, or another schema than it was written for
};
SqlFault fault_of(std::string_view sqlstate);

// Failure(unavailable), with a time to try again, where the server is at fault; else Failure(internal).
class SqlError : public Failure {
 public:
  SqlError(std::string sqlstate, std::string primary);

  SqlFault fault() const { return fault_of(sqlstate_); }
  const std::string& sqlstate() const { return sqlstate_; }
  const std::string& primary() const { return primary_; }  // PostgreSQL's words, for operators; no client sees them

 private:
  std::string sqlstate_, primary_;
};

// SQLSTATEs that callers tell apart (PostgreSQL manual, appendix A).
inline constexpr std::string_view kUniqueViolation = "23505";
inline constexpr std::string_view kReadOnlyTransaction = "25006";
inline constexpr std::string_view kQueryCanceled = "57014";
inline constexpr std::string_view kDiskFull = "53100";

// The values of $1, $2, ... in text form: text, whole numbers, double, bool, nullopt or an empty optional (null), and
// vectors of these, which are PostgreSQL arrays. A uuid or a time is a text.
class Params {
 public:
  Params() = default;
  template <class... T>
    requires(sizeof...(T) > 0 && (!std::same_as<T, Params> && ...))
  Params(const T&... values) {
    (add(values), ...);
  }

  // Throws Failure(unprocessable) for a text with U+0000, which PostgreSQL can't store.
  template <class T>
  Params& add(const T& value) {
    starts_.push_back(bytes_.size());
    put(value);
    bytes_ += '\0';
    return *this;
  }
  Params& add(std::nullopt_t) {
    starts_.push_back(kNull);
    return *this;
  }
  template <class T>
  Params& add(const std::optional<T>& value) {
    return value ? add(*value) : add(std::nullopt);
  }

  std::size_t size() const { return starts_.size(); }
  const char* operator[](std::size_t i) const { return starts_[i] == kNull ? nullptr : bytes_.data() + starts_[i]; }

 private:
  static constexpr std::size_t kNull = static_cast<std::size_t>(-1);

  template <class T>
  void put(const T& value) {
    if constexpr (std::convertible_to<const T&, std::string_view>) {
      put_text(value);
    } else {
      static_assert(std::is_arithmetic_v<T> && !std::same_as<T, char>);
      fmt::format_to(std::back_inserter(bytes_), "{}", value);
    }
  }
  template <class T>
  void put(const std::vector<T>& array) {
    bytes_ += '{';
    for (std::string_view comma; const T& element : array) {
      bytes_ += std::exchange(comma, ",");
      put_element(element);
    }
    bytes_ += '}';
  }
  template <class T>
  void put_element(const T& value) {
    if constexpr (std::convertible_to<const T&, std::string_view>) {
      put_quoted(value);
    } else {
      put(value);
    }
  }
  template <class T>
  void put_element(const std::optional<T>& value) {
    if (value) return put_element(*value);
    bytes_ += "NULL";
  }
  void put_text(std::string_view text);
  void put_quoted(std::string_view text);

  std::string bytes_;  // every value, each ended by a NUL
  std::vector<std::size_t> starts_;
};

// What `value` gives for each of `rows`: one parameter of a statement that takes many rows as an array a column.
template <class Row, class F>
auto column(const std::vector<Row>& rows, F value) {
  std::vector<std::decay_t<decltype(value(rows.front()))>> values;
  values.reserve(rows.size());
  for (const Row& row : rows) values.push_back(value(row));
  return values;
}

// What statements are put to: a Database, a Transaction, or the replica (core/replica.h).
class Sql {
 public:
  virtual ~Sql() = default;

  Async<Rows> query(std::string sql, Params params = {}) { return run(std::move(sql), std::move(params)); }

  // The rows as values of T (io/rows.h); `values` are $1, $2, ... Throw RowError for what does not fit.
  // Exactly one row.
  template <class T, class... Values>
  Async<T> one(std::string sql, const Values&... values) {
    return one_of<T>(run(std::move(sql), Params(values...)));
  }
  // One row or none.
  template <class T, class... Values>
  Async<std::optional<T>> maybe(std::string sql, const Values&... values) {
    return maybe_of<T>(run(std::move(sql), Params(values...)));
  }
  template <class T, class... Values>
  Async<std::vector<T>> all(std::string sql, const Values&... values) {
    return all_of<T>(run(std::move(sql), Params(values...)));
  }

 private:
  virtual Async<Rows> run(std::string sql, Params params) = 0;

  template <class T>
  static Async<T> one_of(Async<Rows> query) {
    const Rows rows = co_await std::move(query);
    co_return rows.one<T>();
  }
  template <class T>
  static Async<std::optional<T>> maybe_of(Async<Rows> query) {
    const Rows rows = co_await std::move(query);
    co_return rows.maybe<T>();
  }
  template <class T>
  static Async<std::vector<T>> all_of(Async<Rows> query) {
    const Rows rows = co_await std::move(query);
    co_return rows.all<T>();
  }
};

namespace postgres {
class Lease;
class Pool;
}  // namespace postgres

// Destroyed without commit(), it is rolled back in the background. One statement at a time.
class Transaction final : public Sql {
 public:
  explicit Transaction(std::unique_ptr<postgres::Lease> lease);
  Transaction(Transaction&&) noexcept;
  ~Transaction() override;

  Async<Rows> script(std::string sql);
  // Throws when it was rolled back instead (an earlier statement had failed). When it throws Failure(unavailable),
  // nobody knows whether the transaction took effect.
  Async<void> commit();
  // `fn`, which must not throw, is called by commit() once PostgreSQL has committed; never where it has not, or nobody
  // knows.
  void on_commit(std::function<void()> fn) { on_commit_.push_back(std::move(fn)); }

 private:
  Async<Rows> run(std::string sql, Params params) override;

  std::unique_ptr<postgres::Lease> lease_;
  std::vector<std::function<void()>> on_commit_;
};

// What is wrong with a libpq conninfo, for a person: it is none, or names a host whose address it does not say, and
// libpq would stand still while it looks the name up.
std::optional<std::string> wrong_conninfo(const std::string& conninfo);

struct DatabaseOptions {
  std::string conninfo;  // a unix socket or an address: a host's name would block while it is looked up
  int pool_max = 4;
  int waiting_max = 1000;
  Clock::duration connect_timeout = 2s;
  Clock::duration acquire_timeout = 2s;
  Clock::duration statement_timeout = 5s;
};

class Database final : public Sql {
 public:
  Database(Reactor& reactor, DatabaseOptions options);
  ~Database() override;  // close() without any patience
  Database(const Database&) = delete;

  // Several statements without parameters, in one transaction unless they say otherwise; gives back the last one's
  // rows.
  Async<Rows> script(std::string sql);
  Async<Transaction> begin();

  // Refuses new queries, gives those that run or wait `grace` to end, then closes every connection.
  Async<void> close(Clock::duration grace);

  // False while attempts to connect fail and no statement has ended for acquire_timeout.
  bool reachable() const;
  // Why the last attempt to connect that failed did, for operators.
  std::string trouble() const;

  struct Stats {
    int open, idle, waiting;
  };
  Stats stats() const;

 private:
  Async<Rows> run(std::string sql, Params params) override;

  std::shared_ptr<postgres::Pool> pool_;
};

}  // namespace plugfleet
