#include "core/ai_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/utf8.h"
#include "core/ai_dialects.h"
#include "wire/json_view.h"

namespace plugfleet {
namespace {

bool may_help_to_retry(std::int64_t status) {
  constexpr std::array<std::int64_t, 8> kRetryable{408, 429, 500, 502, 503, 504, 524, 529};
  for (const auto code : kRetryable) {
    if (status == code) return true;
  }
  return false;
}

Blame blame_for(std::int64_t status) {
  if (status >= 500) return Blame::outage;
  if (status >= 401 && status <= 403) return Blame::key;
  if (status == 429) return Blame::limit;
  return status == 400 || status == 422 ? Blame::prompt : Blame::call;
}

// Gemini's ErrorInfo, wherever among the details it stands.
bool key_is_invalid(const JsonView& error) {
  const JsonView* const details = error.find("details");
  if (!details || details->type() != JsonView::Type::array) return false;
  for (const JsonView& detail : details->items()) {
    if (ai::text_of(detail.find("reason")) == "API_KEY_INVALID") return true;
  }
  return false;
}

// What the status alone does not say, or says wrongly:
//   OpenAI: insufficient_quota is a 429, and a bill to pay.
//   Gemini: a wrong key is a 400, and so is one that must have billing enabled (ai.google.dev/gemini-api/docs/
//   troubleshooting).
//   OpenRouter: a prompt its moderation flagged is a 403 (openrouter.ai/docs/api-reference/errors).
Blame blame_in(const JsonView& error, std::int64_t status) {
  constexpr std::string_view kUnpaid = "insufficient_quota";
  if (ai::text_of(error.find("code")) == kUnpaid || ai::text_of(error.find("type")) == kUnpaid) return Blame::key;
  if (status == 400) {
    if (key_is_invalid(error) || ai::text_of(error.find("status")) == "FAILED_PRECONDITION") return Blame::key;
  }
  const JsonView* const metadata = error.find("metadata");
  if (status == 403 && (ai::member(metadata, "reasons") || ai::member(metadata, "flagged_input"))) return Blame::prompt;
  return blame_for(status);
}

// Gemini's way to say Retry-After: {"details": [{"@type": "...RetryInfo", "retryDelay": "34.07s"}]}.
std::optional<std::chrono::seconds> retry_delay(const JsonView& error) {
  const JsonView* const details = error.find("details");
  if (!details || details->type() != JsonView::Type::array) return std::nullopt;
  for (const JsonView& detail : details->items()) {
    const std::string delay = ai::text_of(detail.find("retryDelay"));
    std::uint16_t seconds = UINT16_MAX;  // stays so where the number is larger
    if (std::from_chars(delay.data(), delay.data() + delay.size(), seconds).ec != std::errc::invalid_argument)
      return std::chrono::seconds(seconds + 1);
  }
  return std::nullopt;
}

// Into a failure of its own: one that is moved into itself loses its message.
void set_wait(ProviderFault& out, std::chrono::seconds wait) {
  Failure told = std::move(out.failure).retry_after(wait);
  out.failure = std::move(told);
}

// A status that says the call failed, with the wait it asks for.
ProviderFault status_fault(std::int64_t status, const HttpReply& reply) {
  ProviderFault out =
      ai::fault(fmt::format("the AI provider answered {}", status), may_help_to_retry(status), blame_for(status));
  if (reply.retry_after) set_wait(out, *reply.retry_after);
  return out;
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

// {"error": {"code", "message", "type"}}: `code` is a number, or a word such as insufficient_quota.
ProviderFault read_error(const JsonView& error, const HttpReply& reply) {
  const JsonView* const code = error.find("code");
  const std::int64_t status = reply.status != 200 ? reply.status : code ? code->integer().value_or(500) : 500;
  ProviderFault out = status_fault(status, reply);
  out.blame = blame_in(error, status);
  if (out.blame == Blame::key) out.retryable = false;
  if (const auto delay = retry_delay(error); delay && !reply.retry_after) set_wait(out, *delay);
  out.said = fit_for_log(ai::text_of(error.find("message")));
  return out;
}

// The error of the whole, or of the one choice there is.
const JsonView* error_in(const JsonView& root) {
  for (const JsonView* const error : {root.find("error"), ai::member(ai::first_of(&root, "choices"), "error")}) {
    if (error && error->type() != JsonView::Type::null) return error;
  }
  return nullptr;
}

// OpenAI draws elsewhere than it talks.
bool images_apart(const AiTarget& target, Answer wants) { return wants == Answer::image && target.name == "openai"; }

}  // namespace

Usage& Usage::operator+=(const Usage& other) {
  calls += other.calls;
  input_tokens += other.input_tokens;
  output_tokens += other.output_tokens;
  cost_usd += other.cost_usd;
  return *this;
}

ProviderCall make_call(const AiTarget& target, const Prompt& prompt, const Trace& trace) {
  ProviderCall call;
  call.request.reply_max = prompt.reply_max;
  call.request.headers = {"Content-Type: application/json"};
  if (!trace.id.empty()) call.request.headers.push_back("x-trace-id: " + trace.id);
  if (!trace.parent.empty()) call.request.headers.push_back("traceparent: " + trace.parent);
  const std::string& model = prompt.wants == Answer::image ? target.image_model : target.model;
  ai::BodyText text;
  if (target.protocol == Protocol::gemini) {
    call.request.url = fmt::format("{}/models/{}:generateContent", target.base_url, model);
    call.request.headers.push_back("x-goog-api-key: " + target.api_key);
    text = ai::gemini_body(prompt);
  } else {
    const bool apart = images_apart(target, prompt.wants);
    call.request.url = target.base_url + (apart ? "/images/generations" : "/chat/completions");
    call.request.headers.push_back("Authorization: Bearer " + target.api_key);
    text = apart ? ai::images_body(model, prompt) : ai::chat_body(model, prompt);
  }
  call.owned.push_back(std::move(text.head));
  call.owned.push_back(std::move(text.tail));
  call.request.body.push_back(call.owned.front());
  if (!call.owned.back().empty()) {
    call.request.body.push_back(prompt.image->base64);
    call.request.body.push_back(call.owned.back());
  }
  return call;
}

std::expected<Completion, ProviderFault> read_reply(const AiTarget& target, HttpReply reply, Answer wants) {
  reply.body.reserve(reply.body.size() + kJsonPadding);
  const auto root = parse_json_view(reply.body);
  const bool object = root && root->type() == JsonView::Type::object;
  const JsonView* const error = object ? error_in(*root) : nullptr;
  if (error) return std::unexpected(read_error(*error, reply));
  if (reply.status != 200) {
    return std::unexpected(status_fault(reply.status, reply));
  }
  if (!object) return std::unexpected(ai::fault("the AI provider's answer is no JSON", false));
  if (target.protocol == Protocol::gemini) return ai::read_gemini(*root, wants);
  return images_apart(target, wants) ? ai::read_images(*root) : ai::read_chat(*root, wants);
}

}  // namespace plugfleet
