#include "figma/edits/generate_edits.h"

#include <fmt/format.h>

#include "figma/edits/images.h"
#include "figma/edits/prompt.h"
#include "figma/edits/reply.h"
#include "figma/edits/request.h"

namespace figma {

using namespace plugfleet;

namespace {

constexpr const char* kKind = "generate-edits";  // the jobs' type
constexpr const char* kExample = R"({"userEmail": "ada@example.com", "frameName": "Card", "frameWidth": 320,
    "frameHeight": 200, "layers": [{"id": "1:7", "name": "Title", "type": "TEXT", "text": "Hello", "x": 24, "y": 24,
    "width": 120, "height": 32, "fontSize": 24}]})";
constexpr int kAsked = 10, kDesigned = 40;  // percent

EditSettings chosen;  // set once, at start

NewJob job_of(const EditTask& task) {
  const EditRequest& request = task.request;
  return {.kind = kKind,
          .payload = Json::object({{"frameName", request.frame_name},
                                   {"layers", request.layers.size()},
                                   {"promptFile", task.prompt_file},
                                   {"generateImages", request.generate_images.value_or(false)}})
                         .dump(),
          .user_email = request.user_email,
          .user_id = request.user_id,
          .facts = Json::object({{"frame_name", request.frame_name}, {"layer_count", request.layers.size()}})};
}

// For what is missing in the answer before.
Async<EditReply> ask(Work& work, const EditTask& task, EditReply before) {
  const Completion completion = co_await work.complete(edit_prompt(task, before.complaint, before.variants));
  std::function<EditReply()> read = [&] {
    return completed(std::move(before), read_edit_reply(completion.text, task.request));
  };
  EditReply reply = co_await work.services.reactor.offload(std::move(read));
  if (!reply.complete()) {
    log(Severity::warning, "edits_unusable",
        {{"trace", work.trace().id}, {"variants", reply.variants.size()}, {"why", reply.complaint}});
  }
  co_return reply;
}

// Fewer than five where a second answer did not complete them either.
Async<EditReply> design(Work& work, const EditTask& task) {
  EditReply reply = co_await ask(work, task, {});
  if (reply.complete()) co_return reply;
  try {
    EditReply more = co_await ask(work, task, reply);
    reply = std::move(more);
  } catch (const Failure& failure) {
    if (reply.variants.empty()) throw;
    log(Severity::warning, "edits_not_completed", {{"trace", work.trace().id}, {"why", failure.message()}});
  }
  if (reply.variants.empty())
    throw Failure(FailureKind::provider_error, "the AI provider's answers held no variant that can be used");
  co_return reply;
}

std::string how_many(const EditReply& reply) {
  return reply.complete() ? "five variants" : fmt::format("{} of five variants", reply.variants.size());
}

Async<Pictures> paint_all(Work& work, const EditTask& task, const EditReply& reply) {
  std::vector<WantedPicture> wanted = wanted_pictures(reply.variants, task.request);
  const std::size_t count = wanted.size();
  std::function<void(std::size_t)> painted = [&work, count](std::size_t ended) {
    work.progress(static_cast<int>(kDesigned + (100 - kDesigned) * ended / count),
                  fmt::format("{} of {} pictures", ended, count));
  };
  Pictures pictures =
      co_await paint(work, std::move(wanted), static_cast<std::size_t>(chosen.images_in_flight), std::move(painted));
  co_return pictures;
}

Outcome outcome_of(const EditReply& reply, const Pictures& pictures) {
  Json result = *Json::parse(edits_json(reply, {}));
  Outcome outcome = pictures.empty() ? done(std::move(result)) : done(std::move(result), edits_json(reply, pictures));
  outcome.facts = Json::object({{"variant_count", reply.variants.size()}});
  if (!reply.complete()) outcome.message = how_many(reply);
  return outcome;
}

Async<Outcome> generate_edits(Work& work, const EditTask& task) {
  work.progress(kAsked, "designing five variants");
  const EditReply reply = co_await design(work, task);
  work.progress(kDesigned, how_many(reply));
  Pictures pictures;
  if (task.request.generate_images.value_or(false)) pictures = co_await paint_all(work, task, reply);
  std::function<Outcome()> tell = [&] { return outcome_of(reply, pictures); };
  Outcome outcome = co_await work.services.reactor.offload(std::move(tell));
  co_return outcome;
}

Async<Reply> handle_generate_edits(Call& call) {
  const EditTask task = co_await read_edit_task(call, chosen.prompt_file);
  std::function<Async<Outcome>(Work&)> now = [&task](Work& work) { return generate_edits(work, task); };
  Reply reply = co_await call.answer(job_of(task), std::move(now));
  co_return reply;
}

Async<Outcome> run_generate_edits(Job& job) {
  const EditTask task = co_await read_edit_task(job, chosen.prompt_file);
  Outcome outcome = co_await generate_edits(job, task);
  co_return outcome;
}

}  // namespace

void EditSettings::rows(SettingReader& settings) {
  settings.integer("EDIT_LIMIT_PER_MINUTE", limit_per_minute, 5, 1, 1'000'000);
  settings.integer("EDIT_IMAGES_IN_FLIGHT", images_in_flight, 5, 1, 20);
  settings.text("EDIT_PROMPT_FILE", prompt_file, "default.txt");
  edge = EdgeLimit::of(settings, "EDIT_EDGE", "10r/s", 100);
}

Route generate_edits_route(const EditSettings& settings) {
  chosen = settings;
  return {Method::POST,
          "/api/generate-edits",
          handle_generate_edits,
          {.summary = "Five variants of a frame",
           .body = json_of<EditRequest>(kExample),
           .answers = answers_of_work<EditResult>(),
           .fails = {FailureKind::conflict},
           .auth = Auth::optional,
           .limit = per_client(settings.limit_per_minute, 1min),
           .edge = settings.edge}};
}

JobHandler generate_edits_job() {
  return {.kind = kKind, .run = run_generate_edits, .columns = {"frame_name", "layer_count", "variant_count"}};
}

}  // namespace figma
