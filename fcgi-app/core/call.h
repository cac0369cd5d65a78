// One request as its handler sees it. Lives until the handler's coroutine has ended.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "core/accounts.h"
#include "core/auth.h"
#include "core/job.h"
#include "core/work.h"
#include "io/fastcgi.h"
#include "wire/fields.h"
#include "wire/http.h"
#include "wire/json_view.h"

namespace plugfleet {

// What a client is told whose request has become a job: with status 202.
struct AcceptedJob {
  std::string job_id, status, poll_url, stream_url;
  void fields(auto& f) {
    f("jobId", job_id, uuid_text());
    f("status", status, one_of(kJobStatuses.all()));
    f("pollUrl", poll_url);
    f("streamUrl", stream_url);
  }
};

class Call : public Work {
 public:
  Call(Incoming& incoming, Platform& platform, Services& services);

  Method method() const { return method_; }
  // Decoded and without dot segments, by nginx: the same path its own rules (limits, /health's guard) have judged.
  const std::string& path() const { return path_; }
  // A header as the client sent it: header("x-trace-id"). Empty where there is none.
  std::string_view header(std::string_view name) const;
  // Decoded; empty where the query has no such name. Throws Failure: invalid_request, where it does not decode.
  std::optional<std::string> query(std::string_view name) const;
  // The query as T (wire/fields.h). Throws Failure: invalid_request, each wrong parameter named.
  template <class T>
  T query() const {
    check_declared(query_type_, typeid(T));
    return read_query<T>(query_pairs());
  }
  // The Idempotency-Key; none where the client sent none. Throws Failure(invalid_request) where it is not one.
  std::optional<std::string> idempotency_key() const;
  std::string_view client_address() const { return incoming_.param("REMOTE_ADDR"); }

  const std::optional<User>& user() const { return user_; }
  // Whose row it is, users.id; their first makes it. Throws Failure(unauthorized) where there is no user.
  Async<std::string> account();
  // Who they are in that team. Throws Failure: not_found for whoever is not one of it, forbidden for a lesser role.
  Async<Member> member_of(std::string team, Role least);
  // Whether there is such a team: for what its members do not ask themselves. To others nobody tells it (A3).
  Async<bool> is_team(std::string team);
  // Who is limited: "user:ID" where a token said who asks, else "addr:" and its network (wire/address.h).
  std::string client_key() const;
  Clock::time_point started() const { return incoming_.started(); }
  // When the request is answered 408, come what may.
  Clock::time_point deadline() const override;
  void progress(int, std::string) override {}

  // The body as T (wire/fields.h). Views in T live as long as the call. Throws Failure: unsupported_media_type,
  // payload_too_large, invalid_request (no JSON), unprocessable (each wrong field named).
  template <class T>
  Async<T> json() {
    check_declared(body_type_, typeid(T));
    const JsonView* const view = co_await json_view();
    co_return read_fields<T>(*view);
  }
  Async<const JsonView*> json_view();

  // ---- At once, or as a job ----
  // Where the client asks for a job, or one of its kind has a price: run_as_job(job). Else runs `now`, which the job's handler may run as well, and
  // answers with its result (the whole one, images and all), "jobId" and "durationMs". What became of it is recorded as
  // if it had been that job: `job` says of which kind, whose, and what for. Throws what `now` throws, and a Failure
  // where its outcome is none of done.
  Async<Reply> answer(NewJob job, std::function<Async<Outcome>(Work&)> now);

  // Whether the client asks for one, by `Prefer: respond-async` or an Idempotency-Key.
  bool wants_job() const;
  // Enqueues it with this request's body (in the payload Redis: Job::json gives it back; of a route that takes it in parts,
  // the job has its payload alone, which then tells one use of a key from another) and its user, address, trace
  // and Idempotency-Key. Answers 202 where the client prefers that; else waits for the job's end and answers with its
  // result, "jobId" and "durationMs", or with what it failed of. A job that takes longer than this request may goes
  // on: 408 then, and the same key asks for it again. Throws Failure: invalid_request, unprocessable (a wrong key; one
  // that came before with another body), insufficient_credits, unavailable (nothing was enqueued).
  Async<Reply> run_as_job(NewJob job);

  // The next part of a large body that is worked on as it comes, an upload say; empty at its end.
  Async<std::string> body_part() { return incoming_.body_part(body_max_); }

  // Adds a header to whatever the reply will be, an error included.
  void reply_header(std::string name, std::string value) {
    reply_headers_.emplace_back(std::move(name), std::move(value));
  }

 private:
  friend class Dispatch;

  // Throws std::logic_error where a route says that it takes another type.
  static void check_declared(const std::type_info* declared, const std::type_info& read) {
    if (declared && *declared != read) throw_undeclared(read.name());
  }
  [[noreturn]] static void throw_undeclared(const char* read);
  QueryReader::Pairs query_pairs() const;
  bool wants_no_wait() const;
  Async<std::string_view> raw_body();
  void sign(NewJob& job) const override;
  Async<Reply> answer_now(NewJob job, std::function<Async<Outcome>(Work&)> now);
  Async<std::optional<IdempotencyKey>> key_of(const NewJob& job);
  Async<Reply> end_of_job(std::string id);

  Incoming& incoming_;
  Method method_;
  std::string path_;
  std::optional<User> user_;
  std::size_t body_max_;
  const std::type_info *body_type_ = nullptr, *query_type_ = nullptr;  // as the route declares them
  bool in_parts_ = false;                                              // the body comes by body_part() alone
  std::optional<std::string_view> raw_body_;
  std::optional<JsonView> body_;
  std::vector<std::pair<std::string, std::string>> reply_headers_;
};

}  // namespace plugfleet
