#include "core/ai/ai_dialects.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "wire/base64.h"
#include "wire/http.h"
#include "wire/image.h"
#include "wire/json_documents.h"

namespace plugfleet::ai {
namespace {

constexpr const char* kLinked = "is a link, which is not followed";
constexpr const char* kNotBase64 = "is not Base64";
constexpr const char* kNotAnImage = "is not a PNG, JPEG or WebP";

bool starts(std::string_view text, std::string_view with) {
  return equal_ignoring_case(text.substr(0, with.size()), with);
}

// "data:image/png;base64,..." or bare, with line breaks or spaces, percent-encoded, in the alphabet for URLs: as
// wire/base64 has it, without the prefix. In place where there is nothing to do.
std::string_view bare_base64(std::string_view text, std::string& storage) {
  text = trimmed(text);
  if (starts(text, "data:")) text.remove_prefix(std::min(text.find(','), text.size() - 1) + 1);
  if (is_base64(text)) return text;
  storage = text.contains('%') ? percent_decode(text).value_or("") : std::string(text);
  std::erase_if(storage, [](char c) { return c == '=' || c == ' ' || (c >= '\t' && c <= '\r'); });
  std::ranges::replace(storage, '-', '+');
  std::ranges::replace(storage, '_', '/');
  return storage;
}

void take_image(std::string_view text, Heard& heard) {
  if (starts(text, "http://") || starts(text, "https://")) {
    heard.no_image = kLinked;
    return;
  }
  std::string storage;
  const std::string_view base64 = bare_base64(text, storage);
  heard.no_image = kNotBase64;
  if (base64.empty() || !is_base64(base64)) return;
  heard.no_image = kNotAnImage;
  const auto head = decode_base64_prefix(base64, kSniffBytes);
  const auto format = head ? sniff_image(*head) : std::nullopt;
  if (format) heard.completion.image = GeneratedImage{std::string(media_type(*format)), std::string(base64)};
}

// A model that can only talk writes an image as Markdown would.
void look_in_text(Heard& heard) {
  const std::string& text = heard.completion.text;
  for (const std::string_view prefix : {"](data:image/", "](http"}) {
    const std::size_t at = text.find(prefix);
    if (at != text.npos) return take_image(std::string_view(text).substr(at + 2, text.find(')', at) - at - 2), heard);
  }
}

// The words by which models are said to have ended, in lower case: the chat servers' `finish_reason`, Gemini's
// `finishReason` and `blockReason`. One that is not here is a good end.
constexpr std::array<std::string_view, 22> kRefusals{"content_filter",
                                                     "content_filtered",
                                                     "refusal",
                                                     "refused",
                                                     "sensitive",
                                                     "safety",
                                                     "recitation",
                                                     "blocklist",
                                                     "spii",
                                                     "prohibited_content",
                                                     "image_safety",
                                                     "image_recitation",
                                                     "no_image",
                                                     "moderation",
                                                     "image_prohibited_content",
                                                     "jailbreak",
                                                     "model_armor",
                                                     "guardrails",
                                                     "flagged",
                                                     "guardrail_intervened",
                                                     "blocked",
                                                     "unsafe"};
constexpr std::array<std::string_view, 8> kOutages{
    "error", "abort", "aborted", "cancelled", "timeout", "network_error", "failed", "insufficient_system_resource"};
constexpr std::array<std::string_view, 9> kMishaps{"other",
                                                   "image_other",
                                                   "language",
                                                   "malformed_function_call",
                                                   "malformed_response",
                                                   "unexpected_tool_call",
                                                   "too_many_tool_calls",
                                                   "missing_thought_signature",
                                                   "repetition"};
constexpr std::array<std::string_view, 5> kCuts{"length", "max_tokens", "max_output_tokens", "model_length",
                                                "max_length"};

bool is_one_of(const auto& words, std::string_view finish) {
  std::string word = lower(finish);
  std::ranges::replace(word, '-', '_');
  return std::ranges::find(words, word) != words.end();
}

std::unexpected<ProviderFault> ended(const char* message, bool retryable, Blame blame, std::string said) {
  ProviderFault out = fault(message, retryable, blame);
  out.said = std::move(said);
  return std::unexpected(std::move(out));
}

}  // namespace

ProviderFault fault(std::string message, bool retryable, Blame blame) {
  return {Failure(FailureKind::provider_error, std::move(message)), retryable, blame};
}

const JsonView* member(const JsonView* object, std::string_view name) { return object ? object->find(name) : nullptr; }

const JsonView* first_of(const JsonView* object, std::string_view name) {
  const JsonView* const list = member(object, name);
  return list && list->type() == JsonView::Type::array && !list->items().empty() ? &list->items().front() : nullptr;
}

std::string text_of(const JsonView* value) { return value ? readable_text(*value) : std::string(); }

std::int64_t tokens_of(const JsonView* usage, std::string_view name) {
  constexpr std::int64_t kTokensMax = 1'000'000'000;  // no call uses as many; sums of such numbers would overflow
  const JsonView* const value = member(usage, name);
  const std::int64_t tokens = value ? value->integer().value_or(0) : 0;
  return tokens >= 0 && tokens <= kTokensMax ? tokens : 0;
}

void look_for_image(const JsonView* part, Heard& heard) {
  constexpr std::array<std::string_view, 14> kNames{"b64_json", "image_url", "imageUrl", "inlineData", "inline_data",
                                                    "source",   "image",     "fileData", "file_data",  "data",
                                                    "base64",   "url",       "fileUri",  "file_uri"};
  for (int level = 0; part && level < 4; ++level) {
    if (part->type() == JsonView::Type::string) {
      return take_image(part->plain() ? part->raw() : std::string_view(text_of(part)), heard);
    }
    const JsonView* inside = nullptr;
    for (const std::string_view name : kNames) {
      inside = part->find(name);
      if (inside && inside->type() != JsonView::Type::null) break;
    }
    part = inside;
  }
}

bool is_refusal(std::string_view word) { return is_one_of(kRefusals, word); }

Answered checked(Heard heard, Answer wants) {
  Completion& completion = heard.completion;
  if (heard.refused.empty() && is_refusal(heard.finish)) heard.refused = heard.finish;
  if (!heard.refused.empty())
    return ended("the AI provider refused to answer", false, Blame::prompt, std::move(heard.refused));
  if (is_one_of(kOutages, heard.finish))
    return ended("the AI provider broke its answer off", true, Blame::outage, std::move(heard.finish));
  if (is_one_of(kMishaps, heard.finish))
    return ended("the AI provider's answer came to nothing", false, Blame::call, std::move(heard.finish));
  if (!heard.answered) return std::unexpected(fault("the AI provider's answer is empty", true));
  if (heard.in_pieces && heard.finish.empty())
    return std::unexpected(fault("the AI provider's answer was cut off", true));
  if (completion.text.empty()) completion.text = std::move(heard.called);
  if (wants == Answer::text) {
    if (!completion.text.empty()) return std::move(completion);
    const bool paid = heard.worked ||
                      is_one_of(kCuts, heard.finish);  // another try would be paid again, and most likely end the same
    return std::unexpected(fault("the AI provider's answer is empty", !paid));
  }
  if (!completion.image && heard.no_image.empty()) look_in_text(heard);
  if (completion.image) return std::move(completion);
  // It has worked, and will be paid, as above.
  if (heard.no_image.empty()) return std::unexpected(fault("the AI provider's answer holds no image", false));
  return std::unexpected(fault(fmt::format("the AI provider's image {}", heard.no_image), false));
}

}  // namespace plugfleet::ai
