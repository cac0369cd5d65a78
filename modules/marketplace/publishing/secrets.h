// Secrets that somebody forgot in what they publish.
#pragma once

#include <optional>
#include <string_view>

namespace marketplace {

// What kind of one is in there ("an OpenAI key"), by the shapes that their makers gave them for being found; the secret itself is
// never said. None where there is none of those.
std::optional<std::string_view> secret_in(std::string_view bytes);

}  // namespace marketplace
