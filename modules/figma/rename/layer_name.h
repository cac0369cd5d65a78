// From a layer to a question, and from an AI's answer to a name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace figma {

inline constexpr std::size_t kAnswerNameMax = 80;  // code points; more is an explanation, not a name

std::string naming_prompt(std::string_view type, std::string_view current_name);

// The name in a model's answer, without what stands around it: reasoning, special tokens, markdown, quotes, JSON,
// labels such as "Name:", sentences before it, control and invisible characters. The first of several. Empty where
// nothing usable is left, or where the model refuses.
std::optional<std::string> name_from_answer(std::string_view answer);

// The offline provider's name (offline_namer.h) for an image in base64. Throws Failure where it can't be decoded.
std::string offline_layer_name(std::string_view type, std::string_view current_name, std::string_view base64);

}  // namespace figma
