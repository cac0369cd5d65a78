// What an AI is asked for edits. The instructions are the chosen prompt and rules of our own; the frame is data: JSON
// in the message's text, where no layer's name or text can end a string, and so can't become part of anything else.
// What comes back is checked all the same (edit_reply.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "figma/edits/request.h"

namespace figma {

// A JSON Schema of the answer, within what OpenAI's strict mode, OpenRouter and Gemini take: every member is required,
// no other is allowed, and an instruction is one of nine objects.
extern const std::string_view kEditSchema;

// `task` outlives the prompt. `complaint`: what was wrong with the answer before, in words of our own; empty: nothing.
// `kept`: its variants that could be used; only the others are asked for.
plugfleet::Prompt edit_prompt(const EditTask& task, std::string_view complaint, const std::vector<Variant>& kept = {});

// The frame, its layers and the themes there are already, as one line of JSON; long names and texts are cut.
std::string frame_as_data(const EditRequest& request, const std::vector<Variant>& kept = {});

}  // namespace figma
