#include "core/ai_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/utf8.h"
#include "core/ai_dialects.h"
#include "wire/http.h"
#include "wire/json_documents.h"

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

// A status that says the call failed, with the wait it asks for.
ProviderFault status_fault(std::int64_t status, const HttpReply& reply) {
  ProviderFault out =
      ai::fault(fmt::format("the AI provider answered {}", status), may_help_to_retry(status), blame_for(status));
  if (reply.retry_after) out.failure = std::move(out.failure).retry_after(*reply.retry_after);
  return out;
}

// An error may quote what was sent: the call's key is cut out, and no long word, another key or an image perhaps, is
// kept whole.
std::string fit_for_log(std::string said, std::string_view key) {
  constexpr std::size_t kTextMax = 200, kWordMax = 20, kKept = 4;
  constexpr std::string_view kCut = "[key]";
  for (std::size_t at = 0; !key.empty() && (at = said.find(key, at)) != said.npos; at += kCut.size())
    said.replace(at, key.size(), kCut);
  std::string_view text = said;
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

// The sentence of an error, which is one by itself or has it under one of the names in use: OpenAI's and Gemini's
// "message", FastAPI's "detail" (a text, or a list of {"msg"}), RFC 9457's "detail" and "title".
std::string sentence_of(const JsonView& error, int depth = 0) {
  std::string text = ai::text_of(&error);
  for (const char* const name : {"message", "detail", "msg", "error_description", "error_msg", "title", "error"}) {
    if (!text.empty() || depth > 2) break;
    const JsonView* inside = error.find(name);
    if (inside && inside->type() == JsonView::Type::array) inside = ai::first_of(&error, name);
    if (inside) text = sentence_of(*inside, depth + 1);
  }
  return text;
}

// {"code", "message", "type"}: `code` is a number, written as a text by some, or a word such as insufficient_quota.
std::int64_t code_of(const JsonView& error) {
  for (const char* const name : {"code", "status", "status_code"}) {
    const JsonView* const value = error.find(name);
    std::int64_t code = value ? value->integer().value_or(0) : 0;
    const std::string text = ai::text_of(value);
    std::from_chars(text.data(), text.data() + text.size(), code);
    if (code >= 400 && code < 600) return code;
  }
  return 500;
}

// Whether a server objects to what some do not know: a schema for the answer, or how images are asked for.
bool is_about_form(std::int64_t status, std::string_view said) {
  constexpr std::array<std::string_view, 5> kForms{"response_format", "response format", "schema", "structured",
                                                   "modalit"};
  if (status < 400 || status == 429) return false;
  const std::string text = lower(said.substr(0, 4096));
  return std::ranges::any_of(kForms, [&](std::string_view form) { return text.contains(form); });
}

ProviderFault read_error(const JsonView& error, const HttpReply& reply) {
  const std::int64_t status = reply.status != 200 ? reply.status : code_of(error);
  ProviderFault out = status_fault(status, reply);
  out.blame = blame_in(error, status);
  if (out.blame == Blame::key) out.retryable = false;
  if (const auto delay = retry_delay(error); delay && !reply.retry_after)
    out.failure = std::move(out.failure).retry_after(*delay);
  out.said = sentence_of(error);
  // OpenRouter's "Provider returned error" has the reason beside it.
  const std::string raw = ai::text_of(ai::member(error.find("metadata"), "raw"));
  if (!raw.empty()) out.said += ": " + raw;
  out.form = out.blame != Blame::key &&
             (is_about_form(status, out.said) || is_about_form(status, ai::text_of(error.find("param"))));
  return out;
}

bool says_something(const JsonView* error) {
  return error && (!error->items().empty() || !ai::text_of(error).empty() || error->boolean());
}

// An error of the whole, of the one choice there is or of its message; or the document itself is the error: it says so,
// the status does, or there is nothing in it that an answer would have.
const JsonView* error_in(const JsonView& document, int status) {
  const JsonView* const choice = ai::first_of(&document, "choices");
  for (const JsonView* const error :
       {document.find("error"), ai::member(choice, "error"), ai::member(ai::member(choice, "message"), "error"),
        ai::first_of(&document, "errors")}) {
    if (says_something(error)) return error;
  }
  if (ai::text_of(document.find("object")) == "error" || ai::text_of(document.find("type")) == "error")
    return &document;
  const bool answer = status == 200 && (document.find("choices") || document.find("candidates") ||
                                        document.find("data") || document.find("promptFeedback"));
  return !answer && !sentence_of(document).empty() ? &document : nullptr;
}

// OpenAI draws elsewhere than it talks.
bool images_apart(const AiTarget& target, Answer wants) { return wants == Answer::image && target.name == "openai"; }

ai::Answered read_documents(const AiTarget& target, HttpReply& reply, Answer wants) {
  const std::vector<JsonView> documents = read_json_documents(reply.body);
  for (const JsonView& document : documents) {
    const JsonView* const error = error_in(document, reply.status);
    if (error) return std::unexpected(read_error(*error, reply));
  }
  if (reply.status != 200) return std::unexpected(status_fault(reply.status, reply));
  if (documents.empty()) return std::unexpected(ai::fault("the AI provider's answer is no JSON", false));
  if (target.protocol == Protocol::gemini) return ai::read_gemini(documents, wants);
  return images_apart(target, wants) ? ai::read_images(documents) : ai::read_chat(documents, wants);
}

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
  ai::Answered answer = read_documents(target, reply, wants);
  if (!answer) answer.error().said = fit_for_log(std::move(answer.error().said), target.api_key);
  return answer;
}

}  // namespace plugfleet
