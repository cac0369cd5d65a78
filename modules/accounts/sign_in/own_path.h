// Where a browser goes after it has signed in: a path of this server's, and never where somebody else would have it go.
#pragma once

#include <algorithm>
#include <string_view>

namespace accounts {

// "/market?q=1". Browsers take // and /\ for another host's beginning, and drop tabs and line ends before they look
// (WHATWG URL, section 4.4): none of these is in one.
inline bool is_own_path(std::string_view path) {
  return path.starts_with('/') && !path.starts_with("//") && path.size() <= 1000 &&
         std::ranges::all_of(path, [](char c) { return c > ' ' && c <= '~' && c != '\\'; });
}

}  // namespace accounts
