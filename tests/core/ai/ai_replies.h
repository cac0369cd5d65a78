// What the tests of the providers' protocols share: requests as JSON, replies read, a small image.
#pragma once

#include <string>

#include "core/ai/ai_protocol.h"
#include "support/check.h"
#include "support/png.h"
#include "wire/base64.h"
#include "wire/json.h"

namespace plugfleet::test {

inline const AiTarget kOpenrouter{"openrouter", Protocol::chat_completions, "http://x/v1", "the-key", "m", "drawer"};
inline const AiTarget kOpenai{"openai", Protocol::chat_completions, "http://x/v1", "the-key", "m", "drawer"};
inline const AiTarget kGemini{"gemini", Protocol::gemini, "http://x/v1beta", "the-key", "m", "drawer"};

inline Json body_of(const ProviderCall& call) {
  std::string body;
  for (const std::string_view part : call.request.body) body += part;
  const auto json = Json::parse(body);
  if (!json) fail("no JSON: " + body);
  return *json;
}

inline Json body_for(const AiTarget& target, const Prompt& prompt) { return body_of(make_call(target, prompt, {})); }

inline std::expected<Completion, ProviderFault> read(const AiTarget& target, std::string body,
                                                     Answer wants = Answer::text, int status = 200) {
  return read_reply(target, {.status = status, .body = std::move(body)}, wants);
}

inline ProviderFault fault(const AiTarget& target, std::string body, Answer wants = Answer::text, int status = 200) {
  auto result = read(target, std::move(body), wants, status);
  if (result) fail("no fault: " + result->text);
  return result.error();
}

inline std::string small_png() {
  return encode_base64(png_of({2, 2}, [](std::uint32_t, std::uint32_t) { return Rgba{1, 2, 3, 255}; }));
}

}  // namespace plugfleet::test
