// What a provider's error says, by its status, its code and its words: whose fault it is, and whether to try again.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "core/ai/ai_dialects.h"

namespace plugfleet::ai {
namespace {

// RFC 9110, section 15, and what is said beyond it: 529 by providers that are overloaded, 520 to 530, 598 and 599 by
// proxies before them. The first row that fits counts; any other status is this call's alone.
struct StatusRule {
  std::int64_t first, last;
  bool retry;
  Blame blame;
};
constexpr std::array kStatuses{
    StatusRule{401, 403, false, Blame::key},    StatusRule{408, 409, true, Blame::call},
    StatusRule{425, 425, true, Blame::call},    StatusRule{429, 429, true, Blame::limit},
    StatusRule{501, 501, false, Blame::outage}, StatusRule{505, 505, false, Blame::outage},
    StatusRule{500, 599, true, Blame::outage},
};

StatusRule rule_for(std::int64_t status) {
  const auto rule = std::ranges::find_if(
      kStatuses, [status](const StatusRule& one) { return one.first <= status && status <= one.last; });
  return rule == kStatuses.end() ? StatusRule{status, status, false, Blame::call} : *rule;
}

// What is said is looked at in lower case and without anything but letters and digits: "content_policy_violation" and
// "Content policy violation" are one.
std::string letters_of(std::string_view said) {
  constexpr std::size_t kLookedAt = 4096;
  std::string text = lower(said.substr(0, kLookedAt));
  std::erase_if(text, [](char c) { return (c < 'a' || c > 'z') && (c < '0' || c > '9'); });
  return text;
}

template <std::size_t kCount>
bool mentions(const std::string& letters, const std::array<std::string_view, kCount>& words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return letters.contains(word); });
}

// The content is refused: OpenAI's, Azure's, Google's, DeepSeek's, Alibaba's and LiteLLM's words for it.
constexpr std::array<std::string_view, 30> kContent{"contentpolic",
                                                    "contentfilter",
                                                    "contentmanagementpolic",
                                                    "contentmoderation",
                                                    "contentexistsrisk",
                                                    "contentviolat",
                                                    "moderationblocked",
                                                    "moderationsystem",
                                                    "bymoderation",
                                                    "ourmoderation",
                                                    "failedmoderation",
                                                    "safetysystem",
                                                    "safetyfilter",
                                                    "safetypolic",
                                                    "safetyguideline",
                                                    "safetyreason",
                                                    "usagepolic",
                                                    "usepolic",
                                                    "policyviolation",
                                                    "responsibleai",
                                                    "datainspection",
                                                    "inappropriatecontent",
                                                    "prohibitedcontent",
                                                    "prohibiteduse",
                                                    "sensitivewords",
                                                    "sensitivecontent",
                                                    "unsafecontent",
                                                    "harmful",
                                                    "flagged",
                                                    "guardrail"};
// A wrong key or a bill to pay, said with a status that is another's: xAI's, Anthropic's and OpenAI's words.
constexpr std::array<std::string_view, 6> kKey{
    "apikey", "creditbalance", "insufficientbalance", "insufficientcredit", "insufficientquota", "billing"};
// How it was asked is what some servers do not know: a schema for the answer, or how images are asked for.
constexpr std::array<std::string_view, 4> kForm{"responseformat", "schema", "structured", "modalit"};

// Gemini's ErrorInfo, wherever among the details it stands.
bool key_is_invalid(const JsonView& error) {
  const JsonView* const details = error.find("details");
  if (!details || details->type() != JsonView::Type::array) return false;
  return std::ranges::any_of(
      details->items(), [](const JsonView& detail) { return text_of(detail.find("reason")) == "API_KEY_INVALID"; });
}

// What the status alone does not say, or says wrongly:
//   OpenAI: insufficient_quota is a 429, and a bill to pay.
//   Gemini: a wrong key is a 400, and so is one that must have billing enabled (ai.google.dev/gemini-api/docs/
//   troubleshooting).
//   OpenRouter: a prompt its moderation flagged is a 403 (openrouter.ai/docs/api-reference/errors).
//   All: a 400 or a 422 may be anything, and so is an error in a 200 that has no status of its own. Only a refusal of
//   the content is the prompt's fault; an unknown model, a parameter or an image that is not taken is this provider's.
Blame blame_in(const JsonView& error, std::int64_t status, bool status_is_said, std::string_view said) {
  const std::string code = letters_of(fmt::format("{} {} {}", text_of(error.find("code")), text_of(error.find("type")),
                                                  text_of(member(error.find("innererror"), "code"))));
  const JsonView* const metadata = error.find("metadata");
  const bool flagged = member(metadata, "reasons") || member(metadata, "flagged_input");
  if (mentions(code, kKey) || key_is_invalid(error)) return Blame::key;
  if (is_refusal(text_of(error.find("code"))) || mentions(code, kContent) || (status == 403 && flagged))
    return Blame::prompt;
  if (status == 400 || status == 422 || !status_is_said) {
    const std::string letters = letters_of(said);
    if (mentions(letters, kKey) || text_of(error.find("status")) == "FAILED_PRECONDITION") return Blame::key;
    if (mentions(letters, kContent)) return Blame::prompt;
  }
  return rule_for(status).blame;
}

// Gemini's way to say Retry-After: {"details": [{"@type": "...RetryInfo", "retryDelay": "34.07s"}]}.
std::optional<std::chrono::seconds> retry_delay(const JsonView& error) {
  const JsonView* const details = error.find("details");
  if (!details || details->type() != JsonView::Type::array) return std::nullopt;
  for (const JsonView& detail : details->items()) {
    const std::string delay = text_of(detail.find("retryDelay"));
    std::uint16_t seconds = UINT16_MAX;  // stays so where the number is larger
    if (std::from_chars(delay.data(), delay.data() + delay.size(), seconds).ec != std::errc::invalid_argument)
      return std::chrono::seconds(seconds + 1);
  }
  return std::nullopt;
}

// The sentence of an error, which is one by itself or has it under one of the names in use: OpenAI's and Gemini's
// "message", FastAPI's "detail" (a text, or a list of {"msg"}), RFC 9457's "detail" and "title".
std::string sentence_of(const JsonView& error, int depth = 0) {
  std::string text = text_of(&error);
  for (const char* const name : {"message", "detail", "msg", "error_description", "error_msg", "title", "error"}) {
    if (!text.empty() || depth > 2) break;
    const JsonView* inside = error.find(name);
    if (inside && inside->type() == JsonView::Type::array) inside = first_of(&error, name);
    if (inside) text = sentence_of(*inside, depth + 1);
  }
  return text;
}

// {"code", "message", "type"}: `code` is a number, written as a text by some, or a word such as insufficient_quota.
std::optional<std::int64_t> status_in(const JsonView& error) {
  for (const char* const name : {"code", "status", "status_code"}) {
    const JsonView* const value = error.find(name);
    std::int64_t code = value ? value->integer().value_or(0) : 0;
    const std::string text = text_of(value);
    if (const auto written = number_before<std::int64_t>(text)) code = written->first;
    if (code >= 400 && code < 600) return code;
  }
  return std::nullopt;
}

bool is_about_form(std::int64_t status, std::string_view said) {
  return status >= 400 && status != 429 && mentions(letters_of(said), kForm);
}

bool says_something(const JsonView* error) {
  return error && (!error->items().empty() || !text_of(error).empty() || error->boolean());
}

// An error of the whole, of the one choice there is or of its message; or the document itself is the error: it says so,
// the status does, or there is nothing in it that an answer would have.
const JsonView* error_in(const JsonView& document, int status) {
  const JsonView* const choice = first_of(&document, "choices");
  for (const JsonView* const error : {document.find("error"), member(choice, "error"),
                                      member(member(choice, "message"), "error"), first_of(&document, "errors")}) {
    if (says_something(error)) return error;
  }
  if (text_of(document.find("object")) == "error" || text_of(document.find("type")) == "error") return &document;
  const bool answer = status == 200 && (document.find("choices") || document.find("candidates") ||
                                        document.find("data") || document.find("promptFeedback"));
  return !answer && !sentence_of(document).empty() ? &document : nullptr;
}

}  // namespace

ProviderFault status_fault(std::int64_t status, const HttpReply& reply) {
  const StatusRule rule = rule_for(status);
  ProviderFault out = fault(fmt::format("the AI provider answered {}", status), rule.retry, rule.blame);
  if (reply.retry_after) out.failure = std::move(out.failure).retry_after(*reply.retry_after);
  return out;
}

std::optional<ProviderFault> read_error(const JsonView& document, const HttpReply& reply) {
  const JsonView* const found = error_in(document, reply.status);
  if (!found) return std::nullopt;
  const JsonView& error = *found;
  constexpr std::int64_t kUnsaid = 500;
  const auto said_status = reply.status != 200 ? std::optional<std::int64_t>(reply.status) : status_in(error);
  const std::int64_t status = said_status.value_or(kUnsaid);
  ProviderFault out = status_fault(status, reply);
  out.said = sentence_of(error);
  // OpenRouter's "Provider returned error" has the reason beside it.
  const std::string raw = text_of(member(error.find("metadata"), "raw"));
  if (!raw.empty()) out.said += ": " + raw;
  out.blame = blame_in(error, status, said_status.has_value(), out.said);
  if (out.blame == Blame::key || out.blame == Blame::prompt) out.retryable = false;
  if (const auto delay = retry_delay(error); delay && !reply.retry_after)
    out.failure = std::move(out.failure).retry_after(*delay);
  out.form = out.blame != Blame::key &&
             (is_about_form(status, out.said) || is_about_form(status, text_of(error.find("param"))));
  return out;
}

}  // namespace plugfleet::ai
