#include "figma/plain_text.h"

#include <algorithm>

#include "base/utf8.h"

namespace figma {

using plugfleet::utf8_length;

namespace {

bool is_c1(std::string_view code_point) {
  return code_point.size() == 2 && code_point[0] == '\xC2' && static_cast<unsigned char>(code_point[1]) < 0xA0;
}

// Space-like and invisible code points that must not end up in a name: C1 controls, zero-width and bidirectional
// controls, line and paragraph separators, the byte order mark.
bool is_invisible(std::string_view code_point) {
  if (is_c1(code_point)) return true;
  if (code_point.size() != 3) return false;
  const auto b = static_cast<unsigned char>(code_point[1]), c = static_cast<unsigned char>(code_point[2]);
  if (code_point[0] == '\xE2' && b == 0x80) return (c >= 0x8B && c <= 0x8F) || (c >= 0xA8 && c <= 0xAE);
  if (code_point[0] == '\xE2' && b == 0x81) return c >= 0xA0 && c <= 0xAF;
  return code_point == "\xEF\xBB\xBF";
}

// The code point that `text` begins with (one byte where that is none) off its front.
std::string_view take_point(std::string_view& text) {
  const std::string_view point = text.substr(0, std::max<std::size_t>(1, utf8_length(text)));
  text.remove_prefix(point.size());
  return point;
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view point = take_point(text);
    const auto first = static_cast<unsigned char>(point[0]);
    if (first <= 0x20 || first == 0x7f) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else if (utf8_length(point) != 0 && !is_invisible(point)) {
      out += point;
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string without_controls(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view point = take_point(text);
    const auto first = static_cast<unsigned char>(point[0]);
    const bool control = (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f || is_c1(point);
    if (!control && utf8_length(point) != 0) out += point;
  }
  return out;
}

}  // namespace figma
