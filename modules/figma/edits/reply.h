// From an AI's answer to variants that may be shown to a client. The answer is hostile text: it may be wrapped in prose
// or a markdown fence, cut short anywhere, endless, or no JSON at all. What it holds is read piece by piece, so that
// one broken instruction costs itself alone, and only what stands every rule of edits.h comes out. Pure; never throws
// but for memory. An answer of a megabyte takes some milliseconds: not for the reactor's thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "figma/edits/edits.h"

namespace figma {

struct EditReply {
  std::vector<Variant> variants;  // at most kVariants, none without an instruction
  int dropped = 0;                // instructions that broke a rule, those of what was not a variant included
  std::string complaint;          // for the AI, in words of our own; empty where nothing was wrong

  bool complete() const { return variants.size() == kVariants; }
};

EditReply read_edit_reply(std::string_view answer, const EditRequest& request);

// What was usable in an answer, and then the variants of a second one that was asked for the rest.
EditReply completed(EditReply first, EditReply second);

using Pictures = std::map<std::string, std::string, std::less<>>;  // by their prompts, in base64

// {"variants": [...], "dropped": N}, and "missing" where there are fewer than five; each generateImage whose picture is
// there has "generatedImageBase64".
std::string edits_json(const EditReply& reply, const Pictures& pictures);

}  // namespace figma
