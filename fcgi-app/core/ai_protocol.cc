#include "core/ai_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/utf8.h"
#include "wire/json.h"
#include "wire/json_view.h"

namespace plugfleet {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// {"model": M, "messages": [{"role": "user", "content": [TEXT, IMAGE]}]}, text first.
std::vector<std::string> chat_parts(const AiTarget& target, const Prompt& prompt) {
  std::string head = fmt::format(R"({{"model":{},"messages":[{{"role":"user","content":[{{"type":"text","text":{}}})",
                                 quoted(target.model), quoted(prompt.text));
  if (!prompt.image) return {head + "]}]}"};
  head += fmt::format(R"(,{{"type":"image_url","image_url":{{"url":"data:{};base64,)", prompt.image->media_type);
  return {head, R"("}}]}]})"};
}

// {"contents": [{"role": "user", "parts": [TEXT, {"inlineData": {"mimeType", "data"}}]}]}
std::vector<std::string> gemini_parts(const Prompt& prompt) {
  std::string head = fmt::format(R"({{"contents":[{{"role":"user","parts":[{{"text":{}}})", quoted(prompt.text));
  if (!prompt.image) return {head + "]}]}"};
  head += fmt::format(R"(,{{"inlineData":{{"mimeType":"{}","data":")", prompt.image->media_type);
  return {head, R"("}}]}]})"};
}

bool may_help_to_retry(std::int64_t status) {
  constexpr std::array<std::int64_t, 8> kRetryable{408, 429, 500, 502, 503, 504, 524, 529};
  for (const auto code : kRetryable) {
    if (status == code) return true;
  }
  return false;
}

ProviderFault fault(std::string message, bool retryable) {
  return {Failure(Kind::provider_error, std::move(message)), retryable};
}

// A status that says the call failed, with the wait it asks for. 429 is a provider at work; 401 to 403 are a key that
// is wrong or not paid for, which more calls will not mend.
ProviderFault status_fault(std::int64_t status, bool retryable, const HttpReply& reply) {
  ProviderFault out = fault(fmt::format("the AI provider answered {}", status), retryable);
  out.outage = status >= 500 || (status >= 401 && status <= 403);
  if (reply.retry_after) out.failure = std::move(out.failure).retry_after(*reply.retry_after);
  return out;
}

std::string text_of(const JsonView* value) {
  return value && value->type() == JsonView::Type::string ? value->text() : std::string();
}
std::int64_t integer_of(const JsonView* object, std::string_view name) {
  const JsonView* const value = object ? object->find(name) : nullptr;
  return value ? value->integer().value_or(0) : 0;
}
const JsonView* first_of(const JsonView* object, std::string_view name) {
  const JsonView* const list = object ? object->find(name) : nullptr;
  return list && list->type() == JsonView::Type::array && !list->items().empty() ? &list->items().front() : nullptr;
}

// An error may quote what was sent: no long word, a key or an image perhaps, is kept whole.
std::string fit_for_log(std::string_view text) {
  constexpr std::size_t kTextMax = 200, kWordMax = 20, kKept = 4;
  std::string out;
  while (!text.empty() && out.size() < kTextMax) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    const std::string_view word = text.substr(0, end);
    if (!out.empty()) out += ' ';
    out += word.size() > kWordMax ? fmt::format("{}...", utf8_prefix(word, kKept)) : std::string(word);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// {"error": {"code", "message", "type"}}: `code` is a number, or a word such as insufficient_quota, which is a bill to
// pay and no reason to try again.
ProviderFault read_error(const JsonView& error, const HttpReply& reply) {
  const JsonView* const code = error.find("code");
  const std::int64_t status = reply.status != 200 ? reply.status : code ? code->integer().value_or(500) : 500;
  const bool unpaid = text_of(code) == "insufficient_quota" || text_of(error.find("type")) == "insufficient_quota";
  ProviderFault out = status_fault(status, may_help_to_retry(status) && !unpaid, reply);
  out.said = fit_for_log(text_of(error.find("message")));
  return out;
}

std::expected<Completion, ProviderFault> read_chat(const JsonView& root) {
  const JsonView* const choice = first_of(&root, "choices");
  const JsonView* const message = choice ? choice->find("message") : nullptr;
  const JsonView* const usage = root.find("usage");
  Completion completion{.text = text_of(message ? message->find("content") : nullptr),
                        .model = text_of(root.find("model")),
                        .usage = {.calls = 1,
                                  .input_tokens = integer_of(usage, "prompt_tokens"),
                                  .output_tokens = integer_of(usage, "completion_tokens")}};
  if (completion.text.empty()) return std::unexpected(fault("the AI provider's answer is empty", true));
  return completion;
}

std::expected<Completion, ProviderFault> read_gemini(const JsonView& root) {
  const JsonView* const candidate = first_of(&root, "candidates");
  if (!candidate) {
    const bool blocked = root.find("promptFeedback") != nullptr;
    return std::unexpected(
        fault(blocked ? "the AI provider blocked the prompt" : "the AI provider's answer is empty", !blocked));
  }
  const JsonView* const content = candidate->find("content");
  const JsonView* const part = first_of(content, "parts");
  const JsonView* const usage = root.find("usageMetadata");
  Completion completion{.text = text_of(part ? part->find("text") : nullptr),
                        .model = text_of(root.find("modelVersion")),
                        .usage = {.calls = 1,
                                  .input_tokens = integer_of(usage, "promptTokenCount"),
                                  .output_tokens = integer_of(usage, "candidatesTokenCount")}};
  if (!completion.text.empty()) return completion;
  const std::string finish = text_of(candidate->find("finishReason"));
  const bool refused =
      finish == "SAFETY" || finish == "RECITATION" || finish == "PROHIBITED_CONTENT" || finish == "BLOCKLIST";
  return std::unexpected(
      fault(refused ? "the AI provider refused to answer" : "the AI provider's answer is empty", !refused));
}

}  // namespace

Usage& Usage::operator+=(const Usage& other) {
  calls += other.calls;
  input_tokens += other.input_tokens;
  output_tokens += other.output_tokens;
  cost_usd += other.cost_usd;
  return *this;
}

AiTarget choose_target(const Settings& s) {
  const std::array<AiTarget, 3> known{{
      {"openrouter", Protocol::chat_completions, s.openrouter_base_url, s.openrouter_api_key, s.openrouter_model},
      {"gemini", Protocol::gemini, s.gemini_base_url, s.gemini_api_key, s.gemini_model},
      {"openai", Protocol::chat_completions, s.openai_base_url, s.openai_api_key, s.openai_model},
  }};
  for (const AiTarget& target : known) {
    if (s.ai_provider == target.name || (s.ai_provider == "auto" && !target.api_key.empty())) return target;
  }
  return {.name = "offline"};
}

ProviderCall make_call(const AiTarget& target, const Prompt& prompt, const Trace& trace) {
  ProviderCall call;
  call.request.headers = {"Content-Type: application/json"};
  if (!trace.id.empty()) call.request.headers.push_back("x-trace-id: " + trace.id);
  if (!trace.parent.empty()) call.request.headers.push_back("traceparent: " + trace.parent);
  if (target.protocol == Protocol::gemini) {
    call.request.url = fmt::format("{}/models/{}:generateContent", target.base_url, target.model);
    call.request.headers.push_back("x-goog-api-key: " + target.api_key);
    call.owned = gemini_parts(prompt);
  } else {
    call.request.url = target.base_url + "/chat/completions";
    call.request.headers.push_back("Authorization: Bearer " + target.api_key);
    call.owned = chat_parts(target, prompt);
  }
  call.request.body.push_back(call.owned.front());
  if (prompt.image) {
    call.request.body.push_back(prompt.image->base64);
    call.request.body.push_back(call.owned.back());
  }
  return call;
}

std::expected<Completion, ProviderFault> read_reply(const AiTarget& target, HttpReply reply) {
  reply.body.reserve(reply.body.size() + kJsonPadding);
  const auto root = parse_json_view(reply.body);
  const bool object = root && root->type() == JsonView::Type::object;
  const JsonView* const error = object ? root->find("error") : nullptr;
  if (error && error->type() != JsonView::Type::null) return std::unexpected(read_error(*error, reply));
  if (reply.status != 200) {
    return std::unexpected(status_fault(reply.status, may_help_to_retry(reply.status), reply));
  }
  if (!object) return std::unexpected(fault("the AI provider's answer is no JSON", false));
  return target.protocol == Protocol::gemini ? read_gemini(*root) : read_chat(*root);
}

}  // namespace plugfleet
