#include "io/postgres_connection.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ranges>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "wire/address.h"

namespace plugfleet {
namespace {

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

}  // namespace

namespace postgres {
namespace {

constexpr std::size_t kSqlLogged = 200;
// With a statement whose caller has left: a cancel costs more than most, and what writes had better end as it would.
constexpr auto kPatience = 250ms;
constexpr auto kCancelTimeout = 1s;  // of a statement past its timeout

std::string_view field(const PGresult* result, int code) {
  const char* const value = PQresultErrorField(result, code);
  return value ? value : "";
}

// Class 22 quotes the value it dislikes, which may be somebody's name or mail address.
std::string without_values(std::string_view sqlstate, std::string_view primary) {
  if (!sqlstate.starts_with("22")) return std::string(primary);
  return std::string(primary.substr(0, primary.find('"')));
}

}  // namespace

Failure unavailable() { return Failure(FailureKind::unavailable, "the database is not available").retry_after(1s); }

void Connection::open(const std::string& conninfo, Clock::duration timeout) {
  const char* const keys[] = {"dbname", "client_encoding", "fallback_application_name", nullptr};
  const char* const values[] = {conninfo.c_str(), "UTF8", "plugfleet", nullptr};
  const auto self = shared_from_this();
  conn_ = PQconnectStartParams(keys, values, 1);
  if (PQstatus(conn_) == CONNECTION_BAD) return lose(first_line(PQerrorMessage(conn_)));
  deadline_ = Clock::now() + timeout;
  watch_deadline();
  watch_ = std::make_unique<FdWatch>(reactor_, PQsocket(conn_), [] {}, [this] { negotiate(); });
  watch_->want_write(true);
}

// libpq may take another socket between two steps, so each step gets a watch of its own.
void Connection::negotiate() {
  const auto self = shared_from_this();
  watch_.reset();
  const PostgresPollingStatusType next = PQconnectPoll(conn_);
  if (next == PGRES_POLLING_FAILED) return lose(first_line(PQerrorMessage(conn_)));
  if (next != PGRES_POLLING_OK) {
    watch_ = std::make_unique<FdWatch>(reactor_, PQsocket(conn_), [this] { negotiate(); }, [this] { negotiate(); });
    next == PGRES_POLLING_READING ? watch_->want_read(true) : watch_->want_write(true);
    return;
  }
  timer_.disarm();
  PQsetnonblocking(conn_, 1);
  PQsetErrorVerbosity(conn_, PQERRORS_TERSE);  // what is longer quotes values
  PQsetNoticeReceiver(conn_, [](void*, const PGresult*) {}, nullptr);
  watch_ = std::make_unique<FdWatch>(reactor_, PQsocket(conn_), [this] { on_ready(); }, [this] { on_ready(); });
  watch_->want_read(true);
  open_ = true;
  owner_.opened(*this);
}

void Connection::send(std::shared_ptr<Statement> statement, Clock::duration timeout) {
  statement_ = std::move(statement);
  const auto self = shared_from_this();
  const std::string& sql = statement_->sql;
  const Params& params = statement_->params;
  int sent = 0;
  if (statement_->protocol == Statement::Protocol::script) {
    sent = PQsendQuery(conn_, sql.c_str());
  } else {
    values_.clear();
    for (std::size_t i = 0; i < params.size(); ++i) values_.push_back(params[i]);
    const int count = static_cast<int>(values_.size());
    sent = PQsendQueryParams(conn_, sql.c_str(), count, nullptr, values_.data(), nullptr, nullptr, 0);
  }
  if (sent == 0) return lose(first_line(PQerrorMessage(conn_)));
  statement_->params = {};
  deadline_ = Clock::now() + timeout;
  left_ = overdue_ = false;
  if (!timer_.armed()) watch_deadline();
  flush();
}

void Connection::flush() {
  const int left = PQflush(conn_);
  if (left < 0) return lose(first_line(PQerrorMessage(conn_)));
  watch_->want_write(left > 0);
}

void Connection::on_ready() {
  const auto self = shared_from_this();
  if (!statement_) {
    if (is_stale()) lose("closed by the other side while at rest");
    return;
  }
  if (PQconsumeInput(conn_) == 0) return lose(first_line(PQerrorMessage(conn_)));
  flush();
  while (statement_ && PQisBusy(conn_) == 0) {
    PGresult* const result = PQgetResult(conn_);
    if (!result) return finish();
    take(result);
  }
}

void Connection::take(PGresult* result) {
  Rows rows(result);
  const ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
    statement_->rows = std::move(rows);
    return;
  }
  if (status != PGRES_FATAL_ERROR) return lose("COPY was asked for, which is not spoken here");
  const std::string_view sqlstate = field(result, PG_DIAG_SQLSTATE);
  const std::string primary = without_values(sqlstate, field(result, PG_DIAG_MESSAGE_PRIMARY));
  std::string_view severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity.empty()) severity = field(result, PG_DIAG_SEVERITY);  // PgBouncer's own
  if (sqlstate.empty() || severity == "FATAL" || severity == "PANIC") {
    return lose(sqlstate.empty() ? first_line(PQerrorMessage(conn_)) : primary);
  }
  const SqlError error{std::string(sqlstate), primary};
  const bool is_cancelled = left_ && sqlstate == kQueryCanceled;
  // Conflicts (23) and lost races (40) are part of a caller's day.
  const bool expected = is_cancelled || sqlstate.starts_with("23") || sqlstate.starts_with("40");
  log(expected ? Severity::info : info(error.kind()).severity, "sql_error",
      {{"sqlstate", sqlstate}, {"message", primary}, {"sql", statement_->sql.substr(0, kSqlLogged)}});
  statement_->failure = std::make_exception_ptr(error);
  refuses_writes |= sqlstate == kReadOnlyTransaction;
}

void Connection::finish() {
  patience_.disarm();
  std::exchange(statement_, {})->done.resume();
  if (!cancelling_) owner_.finished(*this);
}

void Connection::abandon() {
  left_ = true;
  if (!cancelling_) patience_.arm(kPatience, [this] { cancel(); });
}

void Connection::cancel() {
  if (cancelling_) return;
  const std::shared_ptr<PGcancel> request(PQgetCancel(conn_), &PQfreeCancel);
  if (!request) return;
  cancelling_ = true;
  const auto ask = [request] {
    std::array<char, 256> why{};
    PQcancel(request.get(), why.data(), static_cast<int>(why.size()));
  };
  canceller_.cancel(ask, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->cancelling_ = false;
    if (!self->closed_ && !self->statement_) self->owner_.finished(*self);
  });
}

// The timer is left running from one statement to the next: arming it for each would cost more than it is worth.
void Connection::watch_deadline() {
  timer_.arm(deadline_ - Clock::now(), [this] {
    if (open_ && !is_busy()) return;
    if (Clock::now() < deadline_) return watch_deadline();
    const auto self = shared_from_this();
    if (!open_) return lose("connecting took too long");
    if (std::exchange(overdue_, true)) return lose("a statement took too long");
    cancel();  // PostgreSQL would go on after its connection is lost, for as long as it has patience itself
    deadline_ = Clock::now() + kCancelTimeout;
    watch_deadline();
  });
}

void Connection::lose(std::string_view why) {
  const auto self = shared_from_this();
  const std::string reason(why);  // why may point into what close() frees
  close();
  owner_.lost(*this, reason);
}

void Connection::close() {
  closed_ = true;
  open_ = false;
  timer_.disarm();
  patience_.disarm();
  watch_.reset();
  PQfinish(std::exchange(conn_, nullptr));
  if (const auto statement = std::exchange(statement_, {})) {
    statement->failure = std::make_exception_ptr(unavailable());
    statement->done.resume();
  }
}

bool Connection::in_transaction() const { return PQtransactionStatus(conn_) != PQTRANS_IDLE; }

bool Connection::is_stale() const {
  char byte;
  return ::recv(PQsocket(conn_), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EINTR);
}

}  // namespace postgres

std::optional<std::string> wrong_conninfo(const std::string& conninfo) {
  char* why = nullptr;
  PQconninfoOption* const options = PQconninfoParse(conninfo.c_str(), &why);
  if (!options) {
    std::string said(first_line(why ? why : "out of memory"));
    PQfreemem(why);
    return said;
  }
  std::string_view hosts, addresses;  // lists, with commas between (PostgreSQL manual, 34.1.1.3)
  for (const PQconninfoOption* option = options; option->keyword; ++option) {
    if (std::string_view(option->keyword) == "host" && option->val) hosts = option->val;
    if (std::string_view(option->keyword) == "hostaddr" && option->val) addresses = option->val;
  }
  std::optional<std::string> wrong;
  for (const auto part : hosts | std::views::split(',')) {
    const std::string host(part.begin(), part.end());
    const bool named = !host.empty() && host[0] != '/' && host[0] != '@' && !is_ip_address(host);
    if (named && addresses.empty()) wrong = fmt::format("host \"{}\" needs its address beside it, as hostaddr=", host);
  }
  PQconninfoFree(options);
  return wrong;
}

// ---- Rows --------------------------------------------------------------------------------------------------------

namespace {

PGresult* as_result(void* result) { return static_cast<PGresult*>(result); }

}  // namespace

Rows::Rows(void* result) : result_(result), size_(static_cast<std::size_t>(PQntuples(as_result(result)))) {}

void Rows::Clear::operator()(void* result) const { PQclear(as_result(result)); }

std::int64_t Rows::affected() const {
  const std::string_view count = result_ ? PQcmdTuples(as_result(result_.get())) : "";
  return number_in<std::int64_t>(count).value_or(0);  // empty where a statement counts nothing
}

std::string_view Rows::command() const { return result_ ? PQcmdStatus(as_result(result_.get())) : ""; }

int Rows::columns() const { return PQnfields(as_result(result_.get())); }

std::string_view Rows::name(Column column) const { return PQfname(as_result(result_.get()), place(column)); }

int Rows::place(Column column) const {
  PGresult* const result = as_result(result_.get());
  const int count = PQnfields(result);
  if (column.place_ >= 0 && column.place_ < count) return column.place_;
  for (int i = 0; column.place_ < 0 && i < count; ++i) {
    if (column.name_ == PQfname(result, i)) return i;
  }
  throw RowError(fmt::format("a query gave no column {}",
                             column.place_ < 0 ? std::string(column.name_) : std::to_string(column.place_)));
}

bool Rows::is_null(std::size_t row, Column column) const {
  return PQgetisnull(as_result(result_.get()), static_cast<int>(row), place(column)) != 0;
}

std::string_view Rows::text(std::size_t row, Column column) const {
  PGresult* const result = as_result(result_.get());
  const int at = place(column);
  if (row >= size_) throw RowError(fmt::format("a query gave no row {}", row));
  const int index = static_cast<int>(row);
  return {PQgetvalue(result, index, at), static_cast<std::size_t>(PQgetlength(result, index, at))};
}

// ---- Params and SqlError ----------------------------------------------------------------------------------------

namespace {

struct Class {
  std::string_view begins;  // a SQLSTATE, or the class that its first characters are
  SqlFault fault;
};
// The first that fits counts; what stands nowhere is the statement's fault.
constexpr std::array<Class, 14> kFaults{{
    {"08P01", SqlFault::statement},  // a wrong number of parameters
    {"08", SqlFault::server},        // connection trouble, PgBouncer's word too
    {"22", SqlFault::data},          // a value of a wrong shape
    {"23", SqlFault::data},          // a constraint
    {"25006", SqlFault::server},     // read-only: a standby, or set so because a disk is nearly full
    {"25P03", SqlFault::server},     // a transaction that rested for too long
    {"40", SqlFault::server},        // serialization failure, deadlock
    {"53", SqlFault::server},        // disk full, out of memory, too many connections
    {"54", SqlFault::data},          // over a limit of PostgreSQL's
    {"55P03", SqlFault::server},     // a lock could not be had
    {"55006", SqlFault::server},     // an object is in use
    {"57", SqlFault::server},        // cancelled by a timeout or an operator, shutting down, starting
    {"58", SqlFault::server},        // the system's errors: I/O, a file that is gone
    {"XX", SqlFault::server},        // inside PostgreSQL: damaged data, an index
}};

Failure as_failure(std::string_view sqlstate) {
  if (fault_of(sqlstate) != SqlFault::server) return {FailureKind::internal, "the database refused a statement"};
  return postgres::unavailable();
}

}  // namespace

SqlFault fault_of(std::string_view sqlstate) {
  const auto* const found =
      std::ranges::find_if(kFaults, [&](const Class& c) { return sqlstate.starts_with(c.begins); });
  return found == kFaults.end() ? SqlFault::statement : found->fault;
}

SqlError::SqlError(std::string sqlstate, std::string primary)
    : Failure(as_failure(sqlstate)), sqlstate_(std::move(sqlstate)), primary_(std::move(primary)) {}

void Params::put_text(std::string_view text) {
  if (text.contains('\0')) throw Failure(FailureKind::unprocessable, "a text holds U+0000, which can't be stored");
  bytes_ += text;
}

// An array's element (PostgreSQL manual, 8.15.6): always quoted, so that neither NULL nor a comma means anything in it.
void Params::put_quoted(std::string_view text) {
  bytes_ += '"';
  for (std::size_t special; (special = text.find_first_of("\"\\")) != text.npos; text.remove_prefix(special + 1)) {
    put_text(text.substr(0, special));
    bytes_ += '\\';
    bytes_ += text[special];
  }
  put_text(text);
  bytes_ += '"';
}

}  // namespace plugfleet
