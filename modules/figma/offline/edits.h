// The offline provider's designer: five variants of a frame from colour theory and layout rules (complementary,
// analogous, high contrast, dense, airy), and pictures drawn here. Pure and deterministic; CPU work, so not for the
// reactor's thread.
#pragma once

#include <string>
#include <string_view>

#include "figma/edits/edits.h"

namespace figma {

// {"variants": [{"theme", "description", "instructions": [...]}]}: JSON in the shape that an AI provider is asked for.
// Every instruction stands the check that a provider's must.
std::string offline_edits(const EditRequest& request);

// A PNG (its bytes) of width x height pixels, each clamped to 16..1024: a gradient or a pattern whose colours and form
// come from the prompt.
std::string offline_image(std::string_view image_prompt, double width, double height);

}  // namespace figma
