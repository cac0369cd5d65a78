#include "figma/json_pieces.h"

#include <fmt/format.h>

#include <algorithm>

namespace figma {

namespace {

constexpr const char* kSpace = " \t\r\n";

// Only the front: looking at the end as well, for every place in a long text, would take the square of its length.
std::string_view without_leading_space(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kSpace), text.size()));
}

// What stands after `"name":` where `text` begins so, else nothing.
std::string_view after_name(std::string_view text, std::string_view quoted_name) {
  if (!text.starts_with(quoted_name)) return {};
  text = without_leading_space(text.substr(quoted_name.size()));
  return text.starts_with(':') ? without_leading_space(text.substr(1)) : std::string_view();
}

}  // namespace

std::vector<std::string_view> pieces_of(std::string_view text) {
  std::vector<std::string_view> pieces;
  if (!text.starts_with('[') && !text.starts_with('{')) return pieces;
  std::size_t begin = 1, depth = 1;
  bool quoted = false;
  const auto end_piece = [&](std::size_t at) {
    std::string_view piece = without_leading_space(text.substr(begin, at - begin));
    piece = piece.substr(0, piece.find_last_not_of(kSpace) + 1);
    if (!piece.empty()) pieces.push_back(piece);
    begin = at + 1;
  };
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      if (--depth == 0) {
        end_piece(i);
        return pieces;
      }
    } else if (c == ',' && depth == 1) {
      end_piece(i);
    }
  }
  if (begin < text.size()) end_piece(text.size());
  return pieces;
}

std::string_view member_of(const std::vector<std::string_view>& pieces, std::string_view name) {
  const std::string quoted = fmt::format("\"{}\"", name);
  for (const std::string_view piece : pieces) {
    const std::string_view value = after_name(piece, quoted);
    if (!value.empty()) return value;
  }
  return {};
}

std::string_view last_array_named(std::string_view text, std::string_view name) {
  const std::string quoted = fmt::format("\"{}\"", name);
  for (std::size_t at = text.size(); (at = text.rfind(quoted, at)) != text.npos; --at) {
    const std::string_view value = after_name(text.substr(at), quoted);
    if (value.starts_with('[')) return value;
    if (at == 0) break;
  }
  return {};
}

std::string_view first_array_of_objects(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('[', at)) != text.npos; ++at) {
    if (without_leading_space(text.substr(at + 1)).starts_with('{')) return text.substr(at);
  }
  return {};
}

}  // namespace figma
