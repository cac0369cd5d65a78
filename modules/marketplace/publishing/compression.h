// What nginx sends of a bundle's files to those who take it compressed: made once, when a version is published.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace marketplace {

struct Compressed {
  std::string gzip, brotli;  // RFC 1952, RFC 7932
};

// None for what is compressed already (pictures, fonts, sound) and for what is too small to be worth it. Blocks: about a
// second for a megabyte.
std::optional<Compressed> compressed(std::string_view path, std::string_view bytes);

}  // namespace marketplace
