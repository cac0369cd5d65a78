// The providers' protocols as text: what to send, and what came back. No I/O.
//
// Two speak chat completions (OpenRouter, and OpenAI with every server compatible with it, which draws images by
// images/generations), one is Gemini's generateContent. Sources: openrouter.ai/docs/api-reference,
// ai.google.dev/api/generate-content, platform.openai.com/docs/api-reference/chat and .../images.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "core/settings.h"
#include "core/trace.h"
#include "core/usage.h"
#include "io/http_client.h"

namespace plugfleet {

// An image as it stands in the client's JSON: the base64 text between the quotes, escapes and all.
struct PromptImage {
  std::string_view media_type;
  std::string_view base64;
};

enum class Answer { text, image };

struct Prompt {
  std::string instructions{};  // what the platform's own side says (the system's part); empty: none
  std::string text;
  std::optional<PromptImage> image{};
  Answer wants = Answer::text;
  std::string schema{};  // a JSON Schema that the answer must meet: asked for, never relied on. Empty: free text
  bool plain = false;    // without what some servers refuse: the schema, a text beside the image. Set by core/ai/ai.cc
  std::size_t reply_max = 256 * 1024;  // bytes of the provider's whole reply; of an image's AI_IMAGE_REPLY_MAX
  // The module's own answer, used by the provider "offline": the same for the same prompt. The text, or the image's
  // base64. Runs on another thread and may look into what the caller owns; throws Failure where it has no answer.
  std::function<std::string()> offline;
};

// By its first bytes a PNG, JPEG or WebP. Whether it can be decoded nobody has tried.
struct GeneratedImage {
  std::string media_type, base64;
};

struct Completion {
  std::string text;
  std::optional<GeneratedImage> image{};  // where the prompt wanted one
  std::string model;                      // the one that answered, which may not be the one asked
  Usage usage{};
};

enum class Protocol { chat_completions, gemini };

struct AiTarget {
  std::string name;  // "openrouter", "gemini" or "openai"
  Protocol protocol = Protocol::chat_completions;
  std::string base_url, api_key, model;
  std::string image_model{};  // asked where the prompt wants an image
};

// Whose fault it is that there is no answer, which decides who else is asked (core/ai/ai.h).
enum class Blame {
  outage,  // the provider is out of order or out of reach: what the breaker counts
  key,     // this key is wrong, not paid for or not for this model
  limit,   // this key has asked too often; the failure's retry_after says until when, where the provider does
  prompt,  // what was asked is refused for what it says: nobody else is asked
  call,    // this call alone: an answer of no use, say, or a request that this provider does not understand
};

struct ProviderFault {
  Failure failure;
  bool retryable = false;  // with the same key, a little later
  Blame blame = Blame::call;
  std::string said{};  // the provider's own words, fit for a log: without the key, and bounded
  bool form = false;   // it may be how we asked that is refused: a plain prompt may fare better
};

// A request whose body looks into `prompt` and into `owned`.
struct ProviderCall {
  HttpRequest request;
  std::vector<std::string> owned;
};
ProviderCall make_call(const AiTarget& target, const Prompt& prompt, const Trace& trace);

// The answer: an image where one is wanted, else a text that is not empty; or why there is none. An error inside a 200
// is an error, and so is a piece of a text that the provider says was refused or broken off; a text that was cut short
// is a text. What of the reply is not read may be as odd as it likes (wire/json_documents.h).
std::expected<Completion, ProviderFault> read_reply(const AiTarget& target, HttpReply reply, Answer wants);

}  // namespace plugfleet
