#include "figma/prompts_route.h"

namespace figma {

using namespace plugfleet;

namespace {

Json told(const std::vector<PromptFile>& prompts) {
  Json list = Json::array();
  for (const PromptFile& prompt : prompts) {
    list.push(Json::object(
        {{"id", prompt.id}, {"name", prompt.name}, {"filename", prompt.filename}, {"isDefault", prompt.is_default}}));
  }
  return Json::object({{"prompts", list}});
}

Async<Reply> show_prompts(Call& call, std::string default_file) {
  Services& services = call.services;
  std::function<std::vector<PromptFile>()> list = [&] { return services.prompts.list(default_file); };
  const auto prompts = co_await services.reactor.offload(std::move(list));
  co_return with_etag(json(200, told(prompts)), call.header("if-none-match"));
}

}  // namespace

Route prompts_route(std::string default_file) {
  std::function<Async<Reply>(Call&, const PathValues&)> handler = [default_file = std::move(default_file)](
                                                                      Call& call, const PathValues&) {
    return show_prompts(call, default_file);
  };
  return {
      Method::GET, "/api/prompts", std::move(handler), {.summary = "The prompts there are", .auth = Auth::optional}};
}

}  // namespace figma
