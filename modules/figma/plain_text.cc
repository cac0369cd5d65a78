#include "figma/plain_text.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/utf8.h"

namespace figma {

using plugfleet::utf8_length;

namespace {

bool is_c1(std::string_view code_point) {
  return code_point.size() == 2 && code_point[0] == '\xC2' && static_cast<unsigned char>(code_point[1]) < 0xA0;
}

char32_t value_of(std::string_view point) {
  const auto byte = [point](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(point[i])); };
  if (point.size() == 1) return byte(0);
  char32_t value = byte(0) & (0x7Fu >> point.size());
  for (std::size_t i = 1; i < point.size(); ++i) value = (value << 6) | (byte(i) & 0x3F);
  return value;
}

struct Range {
  char32_t first, last;
};

bool is_within(Range range, char32_t c) { return c >= range.first && c <= range.last; }
bool among(std::span<const Range> ranges, char32_t c) {
  return std::ranges::any_of(ranges, [c](Range range) { return is_within(range, c); });
}

// Unicode's White_Space, letters that are drawn as nothing but take a letter's room, and what stands for the
// unreadable.
constexpr std::array<Range, 14> kSpaces{{{0x00, 0x20},
                                         {0x7F, 0x7F},
                                         {0x85, 0x85},
                                         {0xA0, 0xA0},
                                         {0x115F, 0x1160},
                                         {0x1680, 0x1680},
                                         {0x2000, 0x200A},
                                         {0x2028, 0x2029},
                                         {0x202F, 0x202F},
                                         {0x205F, 0x205F},
                                         {0x2800, 0x2800},
                                         {0x3000, 0x3000},
                                         {0x3164, 0x3164},
                                         {0xFFFD, 0xFFFD}}};

// C1 controls and Unicode's Default_Ignorable_Code_Point, but for the joiners and what is in kModifiers.
constexpr std::array<Range, 14> kInvisible{{{0x80, 0x9F},
                                            {0xAD, 0xAD},
                                            {0x34F, 0x34F},
                                            {0x61C, 0x61C},
                                            {0x17B4, 0x17B5},
                                            {0x180B, 0x180F},
                                            {0x200B, 0x200F},
                                            {0x202A, 0x202E},
                                            {0x2060, 0x206F},
                                            {0xFEFF, 0xFEFF},
                                            {0xFFA0, 0xFFA0},
                                            {0xFFF0, 0xFFFB},
                                            {0x1D173, 0x1D17A},
                                            {0xE0000, 0xE0FFF}}};

constexpr Range kVariations{0xFE00, 0xFE0F};  // of the character before
constexpr Range kFlagTags{0xE0020, 0xE007F};  // after a black flag they spell a region: UTS #51, section 3.2
constexpr char32_t kBlackFlag = 0x1F3F4;

bool is_joiner(char32_t c) { return c == 0x200C || c == 0x200D; }

// A letter, an emoji, or a mark on one of them: roughly, since only joiners hang on it.
bool is_joined(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return c >= 0xC0 && !among(kSpaces, c) && !among(kInvisible, c) && !is_within({0x2010, 0x205E}, c) &&
         !is_within({0x3001, 0x303F}, c);
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
  char32_t base = ' ', before = ' ';  // the last character that is seen, the last that was kept
  while (!text.empty()) {
    const std::string_view point = take_point(text);
    if (utf8_length(point) == 0) continue;
    const char32_t c = value_of(point);
    if (among(kSpaces, c)) {
      if (!out.empty() && out.back() != ' ') out += ' ';
      base = before = ' ';
      continue;
    }
    if (is_joiner(c)) {
      const std::size_t next = utf8_length(text);
      if (!is_joined(before) || next == 0 || !is_joined(value_of(text.substr(0, next)))) continue;
    } else if (is_within(kVariations, c)) {
      if (base == ' ') continue;
    } else if (is_within(kFlagTags, c)) {
      if (base != kBlackFlag) continue;
    } else if (among(kInvisible, c)) {
      continue;
    } else {
      base = c;
    }
    out += point;
    before = c;
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
