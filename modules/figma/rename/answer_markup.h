// What a model's server or its training leaves around an answer.
#pragma once

#include <string>
#include <string_view>

namespace figma {

// Without blocks of reasoning (an unclosed one reaches to the end; a closing mark alone ends one that began in the
// prompt), special tokens (`<|im_end|>`, `</s>`, `[INST]`) and tags. A token or tag ends a line, unless it only sets
// the words within it apart (`<b>`).
std::string without_markup(std::string_view answer);

}  // namespace figma
