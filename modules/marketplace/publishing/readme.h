// A plugin's README as its page shows it.
#pragma once

#include <string>
#include <string_view>

namespace marketplace {

inline constexpr std::size_t kReadmeMost = 256 << 10;  // bytes of Markdown

// HTML of GitHub's Markdown (cmark-gfm). Raw HTML in it, and links by javascript:, data:, vbscript: and file:, are left out,
// so that any page may show it.
std::string readme_html(std::string_view markdown);

}  // namespace marketplace
