// Text of others made fit to be shown: valid UTF-8 without what can't be seen.
#pragma once

#include <string>
#include <string_view>

namespace figma {

// On one line, with single spaces and none at the ends; without invisible and direction-changing characters. Joiners
// (U+200C, U+200D) stay between letters or emoji, which fall apart without. Empty where nothing of it can be seen.
std::string one_line(std::string_view text);

// Lines and spaces stay as they are; control characters other than a line feed and a tab go.
std::string without_controls(std::string_view text);

}  // namespace figma
