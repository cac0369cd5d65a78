#include "support/module_fixture.h"

#include <algorithm>
#include <cctype>

#include "host/job_outcome.h"

namespace plugfleet::test {
namespace {

// "Prefer" -> "HTTP_PREFER"
std::string param_of(std::string_view header) {
  std::string name = "HTTP_";
  for (const char c : header) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

// "Status: 200 OK\r\nName: value\r\n\r\nbody"
Reply reply_of(std::string_view text) {
  Reply reply;
  for (std::size_t end = text.find("\r\n"); end != 0; end = text.find("\r\n")) {
    const std::size_t colon = text.substr(0, end).find(": ");
    if (end == text.npos || colon == text.npos) fail(fmt::format("this is not a reply: {}", text));
    reply.headers.emplace_back(text.substr(0, colon), text.substr(colon + 2, end - colon - 2));
    text.remove_prefix(end + 2);
  }
  reply.body = text.substr(2);
  reply.status = std::stoi(reply.headers.at(0).second);
  return reply;
}

}  // namespace

void ModuleTest::begin() {
  served_.platform->add_modules({module_});
  for (const Route& route : module_.routes) served_.router.add(module_.name, route);
  served_.platform->intake.give_to([this](NewJob job, std::string_view body) {
    const EnqueueResult result{Enqueued::created, job.id};
    enqueued_.push_back(std::move(job));
    bodies_.emplace_back(body);
    return result;
  });
}

Async<Reply> ModuleTest::ask(std::string method, std::string path, std::string body, Fields headers) {
  for (auto& [name, value] : headers) name = param_of(name);
  const std::string text =
      co_await served_.ask(std::move(method), std::move(path), std::move(body), std::move(headers));
  co_await served_.settled();
  Reply reply = reply_of(text);
  co_return reply;
}

Async<Outcome> ModuleTest::run_next(std::string kind) {
  if (enqueued_.empty()) fail("no job was enqueued");
  NewJob job = std::move(enqueued_.front());
  std::string body = std::move(bodies_.front());
  enqueued_.pop_front();
  bodies_.pop_front();
  CHECK_EQ(job.kind, kind);
  Outcome outcome = co_await run_job(std::move(job), std::move(body));
  co_return outcome;
}

Async<Outcome> ModuleTest::run(std::string kind, std::string payload) {
  NewJob job{.kind = std::move(kind), .payload = std::move(payload)};
  Outcome outcome = co_await run_job(std::move(job), "");
  co_return outcome;
}

Async<Outcome> ModuleTest::run_job(NewJob job, std::string body) {
  const auto handler = std::ranges::find(module_.jobs, job.kind, &JobHandler::kind);
  if (handler == module_.jobs.end()) fail("the module runs no jobs of kind " + job.kind);
  progress_.clear();
  const ClaimedJob claimed{.lease = {job.id, 1},
                           .kind = job.kind,
                           .payload = job.payload,
                           .user_email = job.user_email,
                           .user_id = job.user_id,
                           .trace_id = job.trace_id,
                           .has_body = job.has_body,
                           .attempt = 1,
                           .max_attempts = job.max_attempts.value_or(handler->attempts),
                           .losses = 0,
                           .event_number = 1};
  Job running(
      claimed, std::move(body), Clock::now() + handler->timeout,
      [this](int percent, std::string message) { progress_.push_back(fmt::format("{} {}", percent, message)); },
      *served_.platform, served_.platform->services_of(module_.name));
  std::exception_ptr failure;
  try {
    Outcome outcome = co_await handler->run(running);
    co_return outcome;
  } catch (const Failure&) {  // any other exception is a fault, and the test's to show
    failure = std::current_exception();
  }
  std::string stack;
  co_return outcome_of(failure, claimed, running.tried(), stack);
}

void check_reply(const Reply& reply, int status, std::string_view part, std::source_location where) {
  if (reply.status != status || !reply.body.contains(part)) {
    fail(fmt::format("the reply is {} {}\n  and not {} with {}", reply.status, reply.body, status, part), where);
  }
}

void check_outcome(const Outcome& outcome, JobOutcome what, std::string_view part, std::source_location where) {
  const std::string said = outcome.what == JobOutcome::done ? outcome.result.dump() : outcome.message;
  if (outcome.what != what || !said.contains(part)) {
    fail(fmt::format("the job is {}: {}\n  and not {} with {}", name_of(outcome.what), said, name_of(what), part),
         where);
  }
}

}  // namespace plugfleet::test
