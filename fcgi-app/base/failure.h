// What can go wrong, told once. A Failure ends a request or a job; the table in failure.cc says, for each kind, the
// code that its clients and rows have (the contract's "Codes"; no other code is anywhere), its status, what a job makes of
// it, and how loudly it is logged. nginx's own errors have their codes from it too (host/nginx_routes.cc).
//
// Thrown only in wire/, io/ and core/; caught only in host/, main/ and the tests' support.
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugfleet {

enum class FailureKind {
  invalid_request,
  unauthorized,
  insufficient_credits,
  forbidden,
  not_found,
  method_not_allowed,
  request_timeout,
  conflict,
  payload_too_large,
  unsupported_media_type,
  unprocessable,
  rate_limited,
  internal,
  provider_error,
  unavailable,
  provider_timeout,
  provider_refused,  // what the AI provider was asked, it would refuse or fail of again
  provider_limited,  // the AI provider was asked, and wants to be left alone for a while
  provider_closed,   // the AI provider was not asked: it can't be for a while
  cancelled,         // the client left; nobody reads the answer (nginx's 499)
  // Of jobs alone. Who waits for one by a request is told `internal`.
  timeout,          // an attempt took longer than its kind allows
  payload_lost,     // the body that it came with was kept in memory, and is lost
  payload_expired,  // it waited for longer than its body is kept
};

enum class Severity { debug, info, warning, error };

// What becomes of a job that fails so.
enum class Retry {
  never,  // another attempt would end the same
  again,  // another attempt may fare better
  later,  // it was not an attempt, and costs none: the job waits for what was not there
};

struct KindInfo {
  FailureKind kind;
  std::string_view code;
  int status;
  Retry retry;
  Severity severity;
};

const KindInfo& info(FailureKind kind);
inline std::string code_of(FailureKind kind) { return std::string(info(kind).code); }
// Every code that the body of an error may have, each once: all but those of jobs alone.
std::span<const std::string_view> error_codes();
// The first kind with that code; internal where there is none, and for a code of jobs alone.
FailureKind kind_of(std::string_view code);

// One thing that is wrong with a request: `field` as the client would write it, e.g. "layers[3].id".
struct Detail {
  std::string field;
  std::string message;
};

class Failure : public std::exception {
 public:
  // `message` is for a person and reaches the client: nothing internal belongs in it.
  Failure(FailureKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

  // By value: a failure may be assigned from its own (failure = std::move(failure).retry_after(1s)).
  Failure retry_after(std::chrono::milliseconds wait) && {
    retry_after_ = wait;
    return std::move(*this);
  }
  Failure details(std::vector<Detail> list) && {
    details_ = std::move(list);
    return std::move(*this);
  }

  FailureKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  std::optional<std::chrono::milliseconds> retry_after() const { return retry_after_; }
  const std::vector<Detail>& details() const { return details_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  FailureKind kind_;
  std::string message_;
  std::optional<std::chrono::milliseconds> retry_after_;
  std::vector<Detail> details_;
};

}  // namespace plugfleet
