#include "core/ai_dialects.h"

#include <algorithm>

#include "base/log.h"
#include "wire/base64.h"
#include "wire/image.h"

namespace plugfleet::ai {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

ProviderFault fault(std::string message, bool retryable, Blame blame) {
  return {Failure(Kind::provider_error, std::move(message)), retryable, blame};
}

const JsonView* member(const JsonView* object, std::string_view name) { return object ? object->find(name) : nullptr; }

const JsonView* first_of(const JsonView* object, std::string_view name) {
  const JsonView* const list = member(object, name);
  return list && list->type() == JsonView::Type::array && !list->items().empty() ? &list->items().front() : nullptr;
}

std::string text_of(const JsonView* value) {
  return value && value->type() == JsonView::Type::string ? value->text() : std::string();
}

std::int64_t tokens_of(const JsonView* usage, std::string_view name) {
  constexpr std::int64_t kTokensMax = 1'000'000'000;  // no call uses as many; sums of such numbers would overflow
  const JsonView* const value = member(usage, name);
  const std::int64_t tokens = value ? value->integer().value_or(0) : 0;
  return tokens >= 0 && tokens <= kTokensMax ? tokens : 0;
}

std::optional<GeneratedImage> image_of(const JsonView* value) {
  if (!value || value->type() != JsonView::Type::string) return std::nullopt;
  const std::string unescaped = value->plain() ? std::string() : value->text();
  std::string_view base64 = value->plain() ? value->raw() : std::string_view(unescaped);
  if (base64.starts_with("data:")) base64.remove_prefix(std::min(base64.find(','), base64.size() - 1) + 1);
  if (!is_base64(base64)) return std::nullopt;
  const auto head = decode_base64_prefix(base64, kSniffBytes);
  const auto format = head ? sniff_image(*head) : std::nullopt;
  if (!format) return std::nullopt;
  return GeneratedImage{std::string(media_type(*format)), std::string(base64)};
}

Answered checked(Completion completion, Answer wants, bool refused) {
  if (wants == Answer::image ? completion.image.has_value() : !completion.text.empty()) return completion;
  if (refused) return std::unexpected(fault("the AI provider refused to answer", false, Blame::prompt));
  if (wants == Answer::text) return std::unexpected(fault("the AI provider's answer is empty", true));
  // It has worked, and will be paid: another try would be paid again and most likely end the same.
  return std::unexpected(fault("the AI provider's answer holds no image", false));
}

}  // namespace plugfleet::ai
