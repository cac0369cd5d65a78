#include "figma/json_pieces.h"

#include <fmt/format.h>

#include <algorithm>

namespace figma {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

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

std::string_view without_quote(std::string_view text) {
  return text.substr(text.starts_with('"') || text.starts_with('\'') ? 1 : 0);
}

// ---- Tidying, a token at a time: each takes it off `text` ----

std::string_view take(std::string_view& text, std::size_t size) {
  const std::string_view taken = text.substr(0, size);
  text.remove_prefix(taken.size());
  return taken;
}

std::string_view take_string(std::string_view& text) {
  std::size_t end = 1;
  while ((end = text.find_first_of("\"\\", end)) < text.size() && text[end] == '\\') end += 2;
  return take(text, end == text.npos ? end : end + 1);
}

// One in single quotes as one in double quotes. It ends where what follows can follow a string: an apostrophe does not.
std::string take_single_quoted(std::string_view& text) {
  std::string out = "\"";
  for (take(text, 1); !text.empty();) {
    const char c = text.front();
    if (c == '\'') {
      const std::string_view rest = without_leading_space(text.substr(1));
      if (rest.empty() || std::string_view(",:]}").contains(rest.front())) break;
    }
    if (text.starts_with("\\'")) take(text, 1);
    if (c == '"') out += '\\';
    out += take(text, c == '\\' && !text.starts_with('\'') ? 2 : 1);
  }
  if (!take(text, 1).empty()) out += '"';
  return out;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$'; }

// A word is a member's name where a colon follows it.
std::string take_word(std::string_view& text, bool may_be_name) {
  const auto end = std::ranges::find_if_not(text, [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
  const std::string_view word = take(text, static_cast<std::size_t>(end - text.begin()));
  if (may_be_name && without_leading_space(text).starts_with(':')) return fmt::format("\"{}\"", word);
  if (word == "True" || word == "False") return word == "True" ? "true" : "false";
  return std::string(word == "None" ? "null" : word);
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

std::vector<std::string_view> arrays_named(std::string_view text, std::string_view name) {
  constexpr std::size_t kMost = 8;
  std::vector<std::string_view> arrays;
  for (std::size_t at = text.size(); arrays.size() < kMost && (at = text.rfind(name, at)) != text.npos; --at) {
    const std::string_view colon = without_leading_space(without_quote(text.substr(at + name.size())));
    if (colon.starts_with(':')) {
      const std::string_view array = without_quote(without_leading_space(colon.substr(1)));
      if (array.starts_with('[')) arrays.push_back(array);
    }
    if (at == 0) break;
  }
  return arrays;
}

std::string_view first_array_of_objects(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('[', at)) != text.npos; ++at) {
    if (without_leading_space(text.substr(at + 1)).starts_with('{')) return text.substr(at);
  }
  return {};
}

std::string tidied(std::string_view text) {
  std::string out;
  std::size_t depth = 0;
  char last = 0;  // of `out`, but for spaces
  const auto is_after = [&last](std::string_view marks) { return marks.contains(last); };
  while (!text.empty()) {
    const char c = text.front();
    if (c == '"') {
      out += take_string(text);
    } else if (c == '\'' && is_after("[{,:")) {
      out += take_single_quoted(text);
    } else if (text.starts_with("//")) {
      take(text, text.find('\n'));
      continue;
    } else if (text.starts_with("/*")) {
      take(text, text.find("*/", 2));
      take(text, 2);
      continue;
    } else if (is_letter(c)) {
      out += take_word(text, is_after("{,"));
    } else {
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') {
        if (last == ',') out.resize(out.rfind(','));
        if (depth-- <= 1) return out += c;
      }
      out += take(text, 1);
      if (kSpace.contains(c)) continue;
    }
    last = out.back();
  }
  return out;
}

}  // namespace figma
