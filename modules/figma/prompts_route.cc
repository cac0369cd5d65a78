#include "figma/prompts_route.h"

namespace figma {

using namespace plugfleet;

namespace {

struct ShownPrompt {
  std::string id, name, filename;
  bool is_default = false;
  void fields(auto& f) {
    f("id", id);
    f("name", name);
    f("filename", filename);
    f("isDefault", is_default);
  }
};

struct ShownPrompts {
  std::vector<ShownPrompt> prompts;  // the default first, then by name
  void fields(auto& f) { f("prompts", prompts); }
};

ShownPrompts told(const std::vector<PromptFile>& prompts) {
  ShownPrompts shown;
  for (const PromptFile& prompt : prompts)
    shown.prompts.push_back({prompt.id, prompt.name, prompt.filename, prompt.is_default});
  return shown;
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
  return {Method::GET,
          "/api/prompts",
          std::move(handler),
          {.summary = "The prompts there are",
           .answers = {{200, json_of<ShownPrompts>(R"({"prompts": [{"id": "creative-director", "name":
               "Creative Director", "filename": "creative-director.txt", "isDefault": false}]})")},
                       {304, nothing()}},
           .auth = Auth::optional}};
}

}  // namespace figma
