// JSON of senders who may get it wrong and can't be asked to mend it: an AI provider's reply. What is whole is read,
// however odd the rest is, where parse_json_view refuses all of it. Taken are
//   a byte order mark; several documents one after another; an event stream whose data are JSON (WHATWG HTML, 9.2);
//   bytes that are not UTF-8, control characters, lone surrogates and unknown escapes in strings; names with escapes;
//   numbers of any size, NaN and other bare words (as null); a member twice (the last counts); a comma too many;
//   anything after the last document.
// What is cut short or closed wrongly is not. Pure; it never throws but for memory.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "wire/json_view.h"

namespace plugfleet {

// The objects in `text`, those that are items of a list included; none where there is no JSON. Nothing is copied: names
// lose their escapes in place, and `text` must outlive the views. At most 200,000 values and 64 levels.
std::vector<JsonView> read_json_documents(std::span<char> text);

// What such a string says, always valid UTF-8: U+FFFD stands for what can't be read. Empty for what is not a string.
std::string readable_text(const JsonView& value);

}  // namespace plugfleet
