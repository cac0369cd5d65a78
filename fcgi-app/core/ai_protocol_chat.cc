// Chat completions, and OpenAI's own way to images. OpenRouter's images come in chat completions instead
// (openrouter.ai/docs/features/multimodal/image-generation), its cost in `usage` (.../use-cases/usage-accounting).
#include <fmt/format.h>

#include "core/ai_dialects.h"

namespace plugfleet::ai {
namespace {

double cost_of(const JsonView* usage) {
  constexpr double kCostMax = 10'000;  // dollars: more is no bill but a mistake
  const JsonView* const cost = member(usage, "cost");
  const double dollars = cost && cost->type() == JsonView::Type::number ? cost->number() : 0;
  return dollars > 0 && dollars <= kCostMax ? dollars : 0;
}

// The last of several: those before it are drafts.
std::optional<GeneratedImage> last_image(const JsonView* images) {
  for (std::size_t i = images ? images->items().size() : 0; i-- > 0;) {
    auto image = image_of(member(member(&images->items()[i], "image_url"), "url"));
    if (image) return image;
  }
  return std::nullopt;
}

}  // namespace

// {"model", "response_format"?, "modalities"?, "messages": [{"role": "system", ...}?, {"role": "user", "content":
// [TEXT, IMAGE?]}]}, text first.
BodyText chat_body(const std::string& model, const Prompt& prompt) {
  std::string head = fmt::format(R"({{"model":{})", quoted(model));
  if (prompt.wants == Answer::image) head += R"(,"modalities":["image","text"])";
  if (!prompt.schema.empty()) {
    head += fmt::format(
        R"(,"response_format":{{"type":"json_schema","json_schema":{{"name":"answer","strict":true,"schema":{}}}}})",
        prompt.schema);
  }
  head += R"(,"messages":[)";
  if (!prompt.instructions.empty()) {
    head += fmt::format(R"({{"role":"system","content":{}}},)", quoted(prompt.instructions));
  }
  head += fmt::format(R"({{"role":"user","content":[{{"type":"text","text":{}}})", quoted(prompt.text));
  if (!prompt.image) return {head + "]}]}", ""};
  head += fmt::format(R"(,{{"type":"image_url","image_url":{{"url":"data:{};base64,)", prompt.image->media_type);
  return {head, R"("}}]}]})"};
}

// {"model", "prompt", "n": 1}: this way takes no image and knows no system's part.
BodyText images_body(const std::string& model, const Prompt& prompt) {
  const std::string text = prompt.instructions.empty() ? prompt.text : prompt.instructions + "\n\n" + prompt.text;
  return {fmt::format(R"({{"model":{},"prompt":{},"n":1}})", quoted(model), quoted(text)), ""};
}

Answered read_chat(const JsonView& root, Answer wants) {
  const JsonView* const choice = first_of(&root, "choices");
  const JsonView* const message = member(choice, "message");
  if (!message) return std::unexpected(fault("the AI provider's answer is empty", true));
  const JsonView* const usage = root.find("usage");
  Completion completion{.text = text_of(member(message, "content")),
                        .model = text_of(root.find("model")),
                        .usage = {.calls = 1,
                                  .input_tokens = tokens_of(usage, "prompt_tokens"),
                                  .output_tokens = tokens_of(usage, "completion_tokens"),
                                  .cost_usd = cost_of(usage)}};
  if (wants == Answer::image) completion.image = last_image(member(message, "images"));
  const bool refused =
      text_of(member(choice, "finish_reason")) == "content_filter" || !text_of(member(message, "refusal")).empty();
  return checked(std::move(completion), wants, refused);
}

Answered read_images(const JsonView& root) {
  const JsonView* const made = first_of(&root, "data");
  if (!made) return std::unexpected(fault("the AI provider's answer is empty", true));
  const JsonView* const usage = root.find("usage");
  Completion completion{.image = image_of(member(made, "b64_json")),
                        .model = text_of(root.find("model")),
                        .usage = {.calls = 1,
                                  .input_tokens = tokens_of(usage, "input_tokens"),
                                  .output_tokens = tokens_of(usage, "output_tokens"),
                                  .cost_usd = cost_of(usage)}};
  return checked(std::move(completion), Answer::image, false);
}

}  // namespace plugfleet::ai
