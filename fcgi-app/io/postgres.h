// PostgreSQL, asynchronously: a bounded pool of connections, made to go through PgBouncer in transaction mode. Nothing
// outlives a transaction: no SET, no LISTEN, no prepared statement with a name, no lock of a session.
//
//   const Rows rows = co_await db.query("select id from notes where owner = $1 and tag = any($2)", {user, tags});
//   for (const Row row : rows) use(row.text("id"));
//
// What fails: Failure(unavailable) when there is no database, no turn in time, or no answer (whether the statement took
// effect is then unknown; none is ever sent twice); SqlError when PostgreSQL refused the statement, or cancelled it as
// it took too long: it took no effect then.
// A statement whose caller is cancelled runs to its end where that takes a moment; it is cancelled after that, and a
// transaction with it: nothing of it took effect then.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/failure.h"
#include "io/reactor.h"

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

class Row;

// What a statement gave back. Moving is cheap; what text() returned stays valid until the Rows it came from ends.
class Rows {
 public:
  class Column {  // by place or by name
   public:
    Column(int place) : place_(place) {}
    Column(const char* name) : name_(name) {}
    Column(std::string_view name) : name_(name) {}

   private:
    friend class Rows;
    int place_ = -1;
    std::string_view name_;
  };
  class Iterator;

  Rows() = default;
  explicit Rows(void* result);  // takes libpq's result over

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Row operator[](std::size_t row) const;
  Iterator begin() const;
  Iterator end() const;

  std::int64_t affected() const;     // by an insert, update, delete or select
  std::string_view command() const;  // as PostgreSQL names it: "INSERT 0 1", "ROLLBACK"

 private:
  friend class Row;
  struct Clear {
    void operator()(void* result) const;
  };
  int place(Column column) const;
  bool is_null(std::size_t row, Column column) const;
  std::string_view text(std::size_t row, Column column) const;

  std::unique_ptr<void, Clear> result_;
  std::size_t size_ = 0;
};

// One row, a view into its Rows. Throws Failure(internal) for a column that is not there or not of that type; a null is
// an empty text and no number.
class Row {
 public:
  bool is_null(Rows::Column column) const { return rows_->is_null(row_, column); }
  std::string_view text(Rows::Column column) const { return rows_->text(row_, column); }
  std::int64_t integer(Rows::Column column) const;
  double real(Rows::Column column) const;
  bool boolean(Rows::Column column) const;

 private:
  friend class Rows;
  Row(const Rows& rows, std::size_t row) : rows_(&rows), row_(row) {}
  const Rows* rows_;
  std::size_t row_;
};

class Rows::Iterator {
 public:
  Row operator*() const { return (*rows_)[row_]; }
  Iterator& operator++() { return ++row_, *this; }
  bool operator==(const Iterator&) const = default;

 private:
  friend class Rows;
  Iterator(const Rows* rows, std::size_t row) : rows_(rows), row_(row) {}
  const Rows* rows_;
  std::size_t row_;
};

inline Row Rows::operator[](std::size_t row) const { return {*this, row}; }
inline Rows::Iterator Rows::begin() const { return {this, 0}; }
inline Rows::Iterator Rows::end() const { return {this, size_}; }

namespace postgres {
class Lease;
class Pool;
}  // namespace postgres

// Destroyed without commit(), it is rolled back in the background. One statement at a time.
class Transaction {
 public:
  explicit Transaction(std::unique_ptr<postgres::Lease> lease);
  Transaction(Transaction&&) noexcept;
  ~Transaction();

  Async<Rows> query(std::string sql, Params params = {});
  Async<Rows> script(std::string sql);
  // Throws when it was rolled back instead (an earlier statement had failed). When it throws Failure(unavailable),
  // nobody knows whether the transaction took effect.
  Async<void> commit();

 private:
  std::unique_ptr<postgres::Lease> lease_;
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

class Database {
 public:
  Database(Reactor& reactor, DatabaseOptions options);
  ~Database();  // close() without any patience
  Database(const Database&) = delete;

  Async<Rows> query(std::string sql, Params params = {});
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
  std::shared_ptr<postgres::Pool> pool_;
};

}  // namespace plugfleet
