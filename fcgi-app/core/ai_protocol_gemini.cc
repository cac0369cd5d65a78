// Gemini's generateContent (ai.google.dev/api/generate-content).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/ai_dialects.h"

namespace plugfleet::ai {
namespace {

bool is_refusal(std::string_view finish) {
  constexpr std::array<std::string_view, 9> kRefusals{
      "SAFETY",  "RECITATION",   "PROHIBITED_CONTENT",       "BLOCKLIST",
      "SPII",    "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
      "NO_IMAGE"};
  return std::ranges::find(kRefusals, finish) != kRefusals.end();
}

// What was said, one part after another, and the last image; not what was only thought.
void read_parts(const JsonView* parts, Answer wants, Completion& completion) {
  if (!parts || parts->type() != JsonView::Type::array) return;
  const JsonView* drawn = nullptr;
  for (const JsonView& part : parts->items()) {
    const JsonView* const thought = part.find("thought");
    if (thought && thought->boolean()) continue;
    completion.text += text_of(part.find("text"));
    if (const JsonView* const data = member(part.find("inlineData"), "data")) drawn = data;
  }
  if (wants == Answer::image) completion.image = image_of(drawn);
}

}  // namespace

// {"systemInstruction"?, "generationConfig"?, "contents": [{"role": "user", "parts": [TEXT, {"inlineData": {"mimeType",
// "data"}}?]}]}
BodyText gemini_body(const Prompt& prompt) {
  std::string head = "{";
  if (!prompt.instructions.empty()) {
    head += fmt::format(R"("systemInstruction":{{"parts":[{{"text":{}}}]}},)", quoted(prompt.instructions));
  }
  if (prompt.wants == Answer::image) {
    head += R"("generationConfig":{"responseModalities":["IMAGE","TEXT"]},)";
  } else if (!prompt.schema.empty()) {
    head += fmt::format(R"("generationConfig":{{"responseMimeType":"application/json","responseJsonSchema":{}}},)",
                        prompt.schema);
  }
  head += fmt::format(R"("contents":[{{"role":"user","parts":[{{"text":{}}})", quoted(prompt.text));
  if (!prompt.image) return {head + "]}]}", ""};
  head += fmt::format(R"(,{{"inlineData":{{"mimeType":"{}","data":")", prompt.image->media_type);
  return {head, R"("}}]}]})"};
}

Answered read_gemini(const JsonView& root, Answer wants) {
  const JsonView* const candidate = first_of(&root, "candidates");
  if (!candidate) {
    if (member(root.find("promptFeedback"), "blockReason"))
      return std::unexpected(fault("the AI provider blocked the prompt", false, Blame::prompt));
    return std::unexpected(fault("the AI provider's answer is empty", true));
  }
  const JsonView* const usage = root.find("usageMetadata");
  Completion completion{
      .model = text_of(root.find("modelVersion")),
      .usage = {.calls = 1,
                .input_tokens = tokens_of(usage, "promptTokenCount"),
                .output_tokens = tokens_of(usage, "candidatesTokenCount") + tokens_of(usage, "thoughtsTokenCount")}};
  read_parts(member(candidate->find("content"), "parts"), wants, completion);
  return checked(std::move(completion), wants, is_refusal(text_of(candidate->find("finishReason"))));
}

}  // namespace plugfleet::ai
