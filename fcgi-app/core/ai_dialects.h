// The two protocols behind ai_protocol.h, a .cc each, and what both read with. For ai_protocol*.cc alone.
#pragma once

#include <string>
#include <string_view>

#include "core/ai_protocol.h"
#include "wire/json_view.h"

namespace plugfleet::ai {

using Answered = std::expected<Completion, ProviderFault>;

// A request's body: the prompt's image goes between; without one all of it is in `head`.
struct BodyText {
  std::string head, tail;
};
BodyText chat_body(const std::string& model, const Prompt& prompt);    // .../chat/completions
BodyText images_body(const std::string& model, const Prompt& prompt);  // .../images/generations
BodyText gemini_body(const Prompt& prompt);                            // ...:generateContent

// The answer in a reply of status 200 that holds no error.
Answered read_chat(const JsonView& root, Answer wants);
Answered read_images(const JsonView& root);
Answered read_gemini(const JsonView& root, Answer wants);

std::string quoted(std::string_view text);  // as a JSON string
ProviderFault fault(std::string message, bool retryable, Blame blame = Blame::call);

// Members of what may be anything, or nothing.
const JsonView* member(const JsonView* object, std::string_view name);
const JsonView* first_of(const JsonView* object, std::string_view name);  // of the list that is the member
std::string text_of(const JsonView* value);                               // empty: no string
std::int64_t tokens_of(const JsonView* usage, std::string_view name);     // 0: not said, or no number of tokens

// An image's base64, bare or as a data URL. Nothing where the bytes are no PNG, JPEG or WebP, whatever they are called.
std::optional<GeneratedImage> image_of(const JsonView* value);

// `completion`, where it holds what was wanted. `refused`: the model would not, so that asking again is of no use.
Answered checked(Completion completion, Answer wants, bool refused);

}  // namespace plugfleet::ai
