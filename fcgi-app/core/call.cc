#include "core/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "base/digest.h"
#include "base/ids.h"
#include "core/platform.h"
#include "wire/address.h"
#include "wire/json_writer.h"

namespace plugfleet {
namespace {

constexpr auto kAnswerMargin = 1s;                 // before a request's deadline: time to say that its job goes on
constexpr std::size_t kOffloadBytes = 256 * 1024;  // digesting more than this would hold the reactor up

constexpr auto kTraceIdBytes = [] {
  std::array<bool, 256> allowed{};
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")) {
    allowed[static_cast<unsigned char>(c)] = true;
  }
  return allowed;
}();

bool is_trace_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::ranges::all_of(text, [](char c) { return kTraceIdBytes[static_cast<unsigned char>(c)]; });
}

// nginx has checked or made both ids (conf/nginx); another peer's are checked here again.
Trace trace_of(const Incoming& incoming) {
  const std::string_view id = incoming.param("TRACE_ID");
  return {is_trace_id(id) ? std::string(id) : random_hex(16), std::string(incoming.param("TRACEPARENT").substr(0, 64))};
}

}  // namespace

Call::Call(Incoming& incoming, Platform& its_platform, Services& its_services)
    : Work(its_platform, its_services, trace_of(incoming)),
      incoming_(incoming),
      method_(parse_method(incoming.param("REQUEST_METHOD"))),
      path_(incoming.param("DOCUMENT_URI")),
      body_max_(its_platform.settings.body_max) {}

std::string_view Call::header(std::string_view name) const {
  if (name == "content-type") return incoming_.param("CONTENT_TYPE");
  std::string variable = "HTTP_";
  for (const char c : name) variable += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return incoming_.param(variable);
}

std::optional<std::string> Call::query(std::string_view name) const {
  for (auto& [key, value] : query_pairs()) {
    if (key != name) continue;
    if (value) return std::move(value);
    throw Failure(FailureKind::invalid_request, fmt::format("{} does not decode", name))
        .details({{std::string(name), "must be percent-encoded UTF-8"}});
  }
  return std::nullopt;
}

QueryReader::Pairs Call::query_pairs() const { return parse_query(incoming_.param("QUERY_STRING")); }

void Call::throw_undeclared(const char* read) {
  throw std::logic_error(fmt::format("the handler reads {}, which its route does not declare", read));
}

Clock::time_point Call::deadline() const { return started() + platform.settings.request_timeout; }

std::string Call::client_key() const {
  if (user_) return "user:" + user_->id;
  return "addr:" + client_network(client_address(), static_cast<int>(platform.settings.client_prefix));
}

Async<std::string> Call::account() {
  if (!user_) throw Failure(FailureKind::unauthorized, "a bearer token is needed");
  return platform.accounts.account_of(*user_);
}

Async<Member> Call::member_of(std::string team, Role least) {
  if (!user_) throw Failure(FailureKind::unauthorized, "a bearer token is needed");
  return platform.accounts.member_of(*user_, std::move(team), least);
}

Async<bool> Call::is_team(std::string team) { return platform.accounts.is_team(std::move(team)); }

Async<const JsonView*> Call::json_view() {
  if (!body_) {
    if (!is_json_type(header("content-type"))) {
      throw Failure(FailureKind::unsupported_media_type, "the body must be JSON: Content-Type: application/json");
    }
    const std::string_view text = co_await raw_body();
    auto parsed = parse_json_view(text);
    if (!parsed) throw Failure(FailureKind::invalid_request, parsed.error());
    body_ = std::move(*parsed);
  }
  co_return &*body_;
}

Async<std::string_view> Call::raw_body() {
  if (!raw_body_) raw_body_ = co_await incoming_.body(body_max_);
  co_return *raw_body_;
}

// ---- Jobs --------------------------------------------------------------------------------------------------------

namespace {

Reply accepted(const std::string& job_id, JobStatus status) {
  const std::string url = "/api/jobs/" + job_id;
  return json(202, AcceptedJob{job_id, std::string(name_of(status)), url, url + "/stream"})
      .with("Location", url)
      .with("Preference-Applied", "respond-async");
}

// The result's members beside "jobId" and "durationMs". It may hold images: its text is not parsed for that.
std::string with_job(std::string_view result, std::string_view id, std::int64_t duration_ms) {
  JsonWriter json;
  json.object().add("jobId", id).add("durationMs", duration_ms);
  result.starts_with('{') ? json.members(result) : json.raw("result", result);
  return std::move(json).text();
}

}  // namespace

bool Call::wants_no_wait() const { return prefers_async(incoming_.params("HTTP_PREFER")); }

bool Call::wants_job() const {
  return wants_no_wait() || header("idempotency-key").data() != nullptr;  // an empty one is refused
}

std::optional<std::string> Call::idempotency_key() const {
  const std::string_view key = header("idempotency-key");
  if (key.data() == nullptr) return std::nullopt;
  if (!is_idempotency_key(key)) {
    throw Failure(FailureKind::invalid_request, "an Idempotency-Key has 1 to 255 printable ASCII characters");
  }
  return std::string(key);
}

// A key is its user's: the token's where there is one.
Async<std::optional<IdempotencyKey>> Call::key_of(const NewJob& job) {
  const auto key = idempotency_key();
  if (!key) co_return std::nullopt;
  const std::string whose = user_ ? "user:" + user_->id : "email:" + job.user_email;
  std::string_view body = job.payload;
  if (!in_parts_) body = co_await raw_body();
  std::string digest;
  if (body.size() > kOffloadBytes) {
    std::function<std::string()> work = [body] { return sha256_hex(body); };
    digest = co_await services.reactor.offload(std::move(work));
  } else {
    digest = sha256_hex(body);
  }
  co_return IdempotencyKey{.scope = fmt::format("{} {}", job.kind, whose), .key = *key, .digest = digest};
}

// What the request says of a job beside its handler.
void Call::sign(NewJob& job) const {
  Work::sign(job);
  if (user_) job.owner = job.user_id = user_->id;
  if (user_ && user_->plugin) {
    job.plugin = user_->plugin->slug;
    if (!job.team) job.team = user_->plugin->team;
  }
  if (is_ip_address(client_address())) job.ip_address = client_address();  // none: a unix socket's peer
}

Async<Reply> Call::run_as_job(NewJob job) {
  job.idempotency = co_await key_of(job);
  sign(job);
  std::string_view body;
  if (!in_parts_) body = co_await raw_body();
  const EnqueueResult made = co_await platform.intake.enqueue(std::move(job), body);
  if (made.what == Enqueued::conflict) {
    throw Failure(FailureKind::unprocessable, "this Idempotency-Key came before, with another body");
  }
  if (!wants_no_wait()) {
    Reply reply = co_await end_of_job(made.id);
    co_return reply;
  }
  if (made.what == Enqueued::created) co_return accepted(made.id, JobStatus::queued);
  const auto earlier = co_await platform.streams.look(made.id);
  co_return accepted(made.id, earlier ? earlier->status : JobStatus::queued);
}

Async<Reply> Call::end_of_job(std::string id) {
  const ToldJob job = co_await platform.streams.wait_for_end(id, deadline() - kAnswerMargin);
  const JobView& row = job.row;
  if (!job.ended()) {
    reply_header("Location", "/api/jobs/" + id);
    throw Failure(FailureKind::request_timeout,
                  "the job goes on: ask again with the same Idempotency-Key, or for the job");
  }
  if (row.status == JobStatus::failed) throw Failure(kind_of(row.error_code), row.error_message);
  if (row.status == JobStatus::cancelled) throw Failure(FailureKind::conflict, "the job was cancelled");
  const std::string result =
      job.result_expired ? R"({"result":null,"resultExpired":true})" : job.result.value_or("null");
  co_return text(200, with_job(result, row.id, row.duration_ms.value_or(0)), "application/json");
}

// ---- At once -----------------------------------------------------------------------------------------------------

namespace {

DoneJobRow row_of(NewJob job) {
  return {.id = std::move(job.id),
          .type = std::move(job.kind),
          .facts = std::move(job.facts),
          .payload = std::move(job.payload),
          .user_email = std::move(job.user_email),
          .user_id = std::move(job.user_id),
          .owner = std::move(job.owner),
          .ip_address = std::move(job.ip_address),
          .team = std::move(job.team),
          .plugin = std::move(job.plugin),
          .started_at = WallClock::now()};
}

Json merged(const Json& facts, const Json& more) {
  if (facts.is_null()) return more;
  Json both = Json::object();
  both.update(facts);
  both.update(more);
  return both;
}

// As it is told to the client that waited for it.
Failure failure_of(const Outcome& outcome) {
  if (outcome.what == JobOutcome::cancelled) return {FailureKind::conflict, outcome.message};
  Failure failure(kind_of(outcome.code), outcome.message);
  if (outcome.wait) return std::move(failure).retry_after(*outcome.wait);
  return failure;
}

}  // namespace

// All that the row of work done at once says is put into it here.
Async<Reply> Call::answer_now(NewJob job, std::function<Async<Outcome>(Work&)> now) {
  DoneJobRow row = row_of(std::move(job));
  const auto record = [&](JobStatus status, std::string message) {
    row.status = status;
    if (!message.empty()) row.error_message = std::move(message);
    row.completed_at = WallClock::now();
    row.usage = usage();
    platform.recorder.record(row);
  };
  const auto record_failed = [&](const Failure& failure) {
    row.error_code = code_of(failure.kind());
    record(JobStatus::failed, failure.message());
  };
  Outcome outcome;
  try {
    outcome = co_await now(*this);
  } catch (const Failure& failure) {
    failure.kind() == FailureKind::request_timeout ? record(JobStatus::cancelled, failure.message())
                                                   : record_failed(failure);
    throw;
  } catch (const Cancellation& cancelled) {
    record(JobStatus::cancelled, cancelled.what());
    throw;
  } catch (...) {
    record_failed(Failure(FailureKind::internal, "something went wrong here"));
    throw;
  }
  if (outcome.what != JobOutcome::done) {
    const Failure failure = failure_of(outcome);
    outcome.what == JobOutcome::cancelled ? record(JobStatus::cancelled, failure.message()) : record_failed(failure);
    throw failure;
  }
  row.facts = merged(row.facts, outcome.facts);
  row.result = outcome.result.dump();
  record(JobStatus::completed, outcome.message);
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - started()).count();
  co_return text(200, with_job(outcome.full_result ? *outcome.full_result : row.result, row.id, took),
                 "application/json");
}

Async<Reply> Call::answer(NewJob job, std::function<Async<Outcome>(Work&)> now) {
  if (wants_job() || platform.intake.has_price(job.kind)) {
    Reply reply = co_await run_as_job(std::move(job));
    co_return reply;
  }
  sign(job);
  Reply reply = co_await answer_now(std::move(job), std::move(now));
  co_return reply;
}

}  // namespace plugfleet
