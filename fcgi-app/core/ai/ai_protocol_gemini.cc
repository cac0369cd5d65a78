// Gemini's generateContent (ai.google.dev/api/generate-content).
#include <utility>

#include "core/ai/ai_dialects.h"
#include "wire/json_writer.h"

namespace plugfleet::ai {
namespace {

// What was said, one part after another, and the last image; not what was only thought.
void read_parts(const JsonView* parts, Heard& heard) {
  if (!parts || parts->type() != JsonView::Type::array) return;
  for (const JsonView& part : parts->items()) {
    const JsonView* const thought = part.find("thought");
    if ((thought && thought->boolean()) || part.find("functionCall")) {
      heard.worked = true;
    } else if (const JsonView* const text = part.find("text")) {
      heard.completion.text += text_of(text);
    } else if (part.type() == JsonView::Type::object) {
      look_for_image(&part, heard);
    }
  }
}

}  // namespace

// {"systemInstruction"?, "generationConfig"?, "contents": [{"role": "user", "parts": [TEXT, {"inlineData": {"mimeType",
// "data"}}?]}]}
BodyText gemini_body(const Prompt& prompt) {
  JsonWriter json;
  json.object();
  if (!prompt.instructions.empty()) {
    json.object("systemInstruction").array("parts").object().add("text", prompt.instructions).end().end().end();
  }
  if (prompt.wants == Answer::image) {
    json.object("generationConfig").array("responseModalities").add("IMAGE");
    if (!prompt.plain) json.add("TEXT");
    json.end().end();
  } else if (!prompt.schema.empty() && !prompt.plain) {
    json.object("generationConfig").add("responseMimeType", "application/json");
    json.raw("responseJsonSchema", prompt.schema).end();
  }
  json.array("contents").object().add("role", "user").array("parts").object().add("text", prompt.text).end();
  if (!prompt.image) return {std::move(json).text(), ""};
  json.object().object("inlineData").add("mimeType", prompt.image->media_type).open_text("data", "");
  return {json.so_far(), json.ending()};
}

Answered read_gemini(const std::vector<JsonView>& documents, Answer wants) {
  Heard heard;
  for (const JsonView& document : documents) {
    if (member(document.find("promptFeedback"), "blockReason")) {
      ProviderFault blocked = fault("the AI provider blocked the prompt", false, Blame::prompt);
      blocked.said = text_of(member(document.find("promptFeedback"), "blockReason"));
      return std::unexpected(std::move(blocked));
    }
    if (heard.completion.model.empty()) heard.completion.model = text_of(document.find("modelVersion"));
    if (const JsonView* const usage = document.find("usageMetadata")) {
      heard.completion.usage = {
          .calls = 1,
          .input_tokens = tokens_of(usage, "promptTokenCount"),
          .output_tokens = tokens_of(usage, "candidatesTokenCount") + tokens_of(usage, "thoughtsTokenCount")};
    }
    const JsonView* const candidate = first_of(&document, "candidates");
    if (!candidate) continue;
    heard.answered = true;
    read_parts(member(candidate->find("content"), "parts"), heard);
    const std::string finish = text_of(candidate->find("finishReason"));
    if (!finish.empty()) heard.finish = finish;
  }
  heard.in_pieces = documents.size() > 1;
  return checked(std::move(heard), wants);
}

}  // namespace plugfleet::ai
