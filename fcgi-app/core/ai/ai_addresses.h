// The addresses and names among the settings of AI providers, as they are used: what can only mean one thing is made
// so, anything else is refused. What is wrong comes back as a sentence's end, which never shows the text: a key or a
// password may be in it. No I/O.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace plugfleet {

enum class PlainHttp { loopback, anywhere };

// "https://host/v1/" -> "https://host/v1". Plain http is for this machine, or as `plain` says.
std::expected<std::string, std::string> read_base_url(std::string_view text, PlainHttp plain);

// http://[USER:PASSWORD@]HOST:PORT; empty: none.
std::expected<std::string, std::string> read_proxy(std::string_view text);

// Gemini's names of models stand in a path: "models/gemini-x" -> "gemini-x".
std::expected<std::string, std::string> read_gemini_model(std::string_view text);

}  // namespace plugfleet
