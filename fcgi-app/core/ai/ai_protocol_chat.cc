// Chat completions, and OpenAI's own way to images. OpenRouter's images come in chat completions instead
// (openrouter.ai/docs/features/multimodal/image-generation), its cost in `usage` (.../use-cases/usage-accounting).
#include <fmt/format.h>

#include "core/ai/ai_dialects.h"
#include "wire/json_writer.h"

namespace plugfleet::ai {
namespace {

double cost_of(const JsonView* usage) {
  constexpr double kCostMax = 10'000;  // dollars: more is not a bill but a mistake
  const JsonView* const cost = member(usage, "cost");
  const double dollars = cost && cost->type() == JsonView::Type::number ? cost->number() : 0;
  return dollars > 0 && dollars <= kCostMax ? dollars : 0;
}

// What was said in `content`: a text, or parts of which some are texts, some images and some thoughts.
void read_content(const JsonView* content, Heard& heard) {
  if (!content) return;
  if (content->type() == JsonView::Type::string) {
    heard.completion.text += text_of(content);
    if (!content->raw().empty()) heard.worked = true;  // even where it can't be read
  }
  if (content->type() == JsonView::Type::array) {
    for (const JsonView& part : content->items()) {
      if (part.type() == JsonView::Type::object) read_content(&part, heard);
    }
  }
  if (content->type() != JsonView::Type::object) return;
  const std::string type = text_of(content->find("type"));
  const JsonView* const thought = content->find("thought");
  if (type == "refusal") heard.refused = type;
  if (type.contains("think") || type.contains("reason") || (thought && thought->boolean())) {
    heard.worked = true;
  } else if (const JsonView* const text = content->find("text")) {
    heard.completion.text += text_of(text->type() == JsonView::Type::object ? text->find("value") : text);
  } else {
    look_for_image(content, heard);
  }
}

void read_message(const JsonView& message, Heard& heard) {
  heard.answered = true;
  read_content(message.find("content"), heard);
  if (!text_of(message.find("refusal")).empty()) heard.refused = "refusal";
  for (const char* const thoughts : {"reasoning", "reasoning_content", "thinking"}) {
    if (!text_of(message.find(thoughts)).empty()) heard.worked = true;
  }
  const JsonView* call = first_of(&message, "tool_calls");
  if (call) call = call->find("function");
  if (!call) call = message.find("function_call");
  if (call && call->type() == JsonView::Type::object) {
    heard.worked = true;
    heard.called += text_of(call->find("arguments"));
  }
  const JsonView* const images = message.find("images");
  if (images && images->type() == JsonView::Type::array) {
    for (const JsonView& image : images->items()) look_for_image(&image, heard);
  }
}

void read_usage(const JsonView& document, std::string_view in, std::string_view out, Completion& completion) {
  if (completion.model.empty()) completion.model = text_of(document.find("model"));
  const JsonView* const usage = document.find("usage");
  if (!usage || usage->type() != JsonView::Type::object) return;
  completion.usage = {.calls = 1,
                      .input_tokens = tokens_of(usage, in),
                      .output_tokens = tokens_of(usage, out),
                      .cost_usd = cost_of(usage)};
}

void read_made(const JsonView& document, Heard& heard) {
  const JsonView* const made = first_of(&document, "data");
  if (!made) return;
  heard.answered = true;
  look_for_image(made, heard);
}

}  // namespace

// {"model", "response_format"?, "modalities"?, "messages": [{"role": "system", ...}?, {"role": "user", "content":
// [TEXT, IMAGE]}]}, text first; without an image the text itself, which is all that some servers take.
BodyText chat_body(const std::string& model, const Prompt& prompt) {
  JsonWriter json;
  json.object().add("model", model);
  if (prompt.wants == Answer::image) {
    json.array("modalities").add("image");
    if (!prompt.plain) json.add("text");
    json.end();
  }
  if (!prompt.schema.empty() && !prompt.plain) {
    json.object("response_format").add("type", "json_schema").object("json_schema");
    json.add("name", "answer").add("strict", true).raw("schema", prompt.schema).end().end();
  }
  json.array("messages");
  if (!prompt.instructions.empty()) json.object().add("role", "system").add("content", prompt.instructions).end();
  json.object().add("role", "user");
  if (!prompt.image) {
    json.add("content", prompt.text);
    return {std::move(json).text(), ""};
  }
  json.array("content").object().add("type", "text").add("text", prompt.text).end();
  json.object().add("type", "image_url").object("image_url");
  json.open_text("url", fmt::format("data:{};base64,", prompt.image->media_type));
  return {json.so_far(), json.ending()};
}

// {"model", "prompt", "n": 1}: this way takes no image and knows no system's part.
BodyText images_body(const std::string& model, const Prompt& prompt) {
  const std::string text = prompt.instructions.empty() ? prompt.text : prompt.instructions + "\n\n" + prompt.text;
  JsonWriter json;
  json.object().add("model", model).add("prompt", text).add("n", 1);
  return {std::move(json).text(), ""};
}

Answered read_chat(const std::vector<JsonView>& documents, Answer wants) {
  Heard heard;
  for (const JsonView& document : documents) {
    read_usage(document, "prompt_tokens", "completion_tokens", heard.completion);
    const JsonView* const choice = first_of(&document, "choices");
    const JsonView* const message = member(choice, "message");
    const JsonView* const piece = member(choice, "delta");
    if (message) read_message(*message, heard);
    if (!message && piece) {
      heard.in_pieces = true;
      read_message(*piece, heard);
    }
    const std::string finish = text_of(member(choice, "finish_reason"));
    if (!finish.empty()) heard.finish = finish;
    if (wants == Answer::image) read_made(document, heard);
  }
  return checked(std::move(heard), wants);
}

Answered read_images(const std::vector<JsonView>& documents) {
  Heard heard;
  for (const JsonView& document : documents) {
    read_usage(document, "input_tokens", "output_tokens", heard.completion);
    read_made(document, heard);
  }
  return checked(std::move(heard), Answer::image);
}

}  // namespace plugfleet::ai
