// The two protocols behind ai_protocol.h and their errors, a .cc each, and what all read with. For ai_protocol*.cc
// alone.
#pragma once

#include <string>
#include <string_view>

#include "core/ai/ai_protocol.h"
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

// What a reply says, gathered from its documents: one, or many where it comes in pieces.
struct Heard {
  Completion completion{.usage = {.calls = 1}};
  bool answered = false;        // there is a message, whatever it holds
  bool in_pieces = false;       // and so is not whole before it says why it ended
  bool worked = false;          // it thought, or called a tool: paid for, even where nothing was said
  std::string called{};         // a tool's arguments, which are the answer where no other is
  std::string finish{};         // why it ended, in the provider's word
  std::string refused{};        // why it would not answer, likewise
  std::string_view no_image{};  // why an image there was could not be taken
};

// core/ai/ai_protocol_errors.cc: what is wrong where the document holds an error, and where the status says all.
std::optional<ProviderFault> read_error(const JsonView& document, const HttpReply& reply);
ProviderFault status_fault(std::int64_t status, const HttpReply& reply);

// The answer in a reply of status 200 that holds no error.
Answered read_chat(const std::vector<JsonView>& documents, Answer wants);
Answered read_images(const std::vector<JsonView>& documents);
Answered read_gemini(const std::vector<JsonView>& documents, Answer wants);

ProviderFault fault(std::string message, bool retryable, Blame blame = Blame::call);

// Members of what may be anything, or nothing.
const JsonView* member(const JsonView* object, std::string_view name);
const JsonView* first_of(const JsonView* object, std::string_view name);  // of the list that is the member
std::string text_of(const JsonView* value);                               // empty: no string
std::int64_t tokens_of(const JsonView* usage, std::string_view name);     // 0: not said, or no number of tokens

// Looks for an image in `part`: base64 as any of them writes it, bare or as a data URL, by itself or under any of the
// names in use. The last one that is a PNG, JPEG or WebP by its bytes counts: those before it are drafts. Links are not
// followed: they are the model's, and may lead anywhere.
void look_for_image(const JsonView* part, Heard& heard);

// Whether a model that ended with that word, or a server that gives it as an error's code, refused what it was asked.
bool is_refusal(std::string_view word);

// What was heard, where it is what was wanted and the model was not kept from ending it.
Answered checked(Heard heard, Answer wants);

}  // namespace plugfleet::ai
