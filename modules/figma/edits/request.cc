#include "figma/edits/request.h"

#include <utility>

namespace figma {

using namespace plugfleet;

namespace {

// What no single field can say, and the prompt, which is read from the disk.
std::vector<Detail> check(EditTask& task, const Prompts& prompts) {
  std::vector<Detail> wrong = twins_among(task.request.layers);
  if (const auto& sent = task.request.frame_image_base64) {
    auto image = read_layer_image(sent->text);
    if (image) {
      task.frame_image = *image;
    } else {
      wrong.push_back({"frameImageBase64", image.error()});
    }
  }
  task.prompt = prompts.read(task.prompt_file).value_or("");
  return wrong;
}

// The same for a request and for its job later.
template <class Source>
Async<EditTask> read_task(Source& source, std::string default_prompt) {
  EditTask task;
  task.request = co_await source.template json<EditRequest>();
  task.prompt_file = task.request.prompt_file.value_or(default_prompt);
  std::function<std::vector<Detail>()> work = [&task, &source] { return check(task, source.services.prompts); };
  std::vector<Detail> wrong = co_await source.services.reactor.offload(std::move(work));
  if (!wrong.empty()) throw_unprocessable(std::move(wrong));
  if (task.prompt.empty() && task.request.prompt_file) {
    throw Failure(FailureKind::invalid_request, "promptFile is none of this server's prompts: see /api/prompts")
        .details({{"promptFile", "is none of this server's prompts"}});
  }
  if (task.prompt.empty()) throw Failure(FailureKind::internal, "the server's own prompt is not there");
  co_return task;
}

}  // namespace

Async<EditTask> read_edit_task(Call& call, std::string default_prompt) {
  return read_task(call, std::move(default_prompt));
}
Async<EditTask> read_edit_task(Job& job, std::string default_prompt) {
  return read_task(job, std::move(default_prompt));
}

}  // namespace figma
