#include "figma/rename/answer_markup.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace figma {

using namespace plugfleet;

namespace {

constexpr std::size_t kTagMax = 300;  // bytes; also keeps the search for a tag's end from taking the square of the text

struct Block {
  std::string_view open, close;
  bool opened_in_prompt = true;  // `close` alone ends a block too
};

constexpr std::array kReasoning{
    Block{"<think", "</think>"},
    Block{"<thinking", "</thinking>"},
    Block{"<thought", "</thought>"},
    Block{"<thoughts", "</thoughts>"},
    Block{"<reasoning", "</reasoning>"},
    Block{"<reason", "</reason>"},
    Block{"<reflection", "</reflection>"},
    Block{"<analysis", "</analysis>"},
    Block{"<scratchpad", "</scratchpad>"},
    Block{"<script", "</script>", false},
    Block{"<style", "</style>", false},
    Block{"<!--", "-->", false},
    Block{"[think]", "[/think]"},
    Block{"\u25c1think\u25b7", "\u25c1/think\u25b7"},
    Block{"<|begin_of_thought|>", "<|end_of_thought|>"},
    Block{"<|channel|>analysis", "<|end|>", false},
    Block{"<|channel|>commentary", "<|end|>", false},
};

// Where a block begins: a tag's name must end there, so that `<think` is not found in `<thinking>`.
std::size_t opening(std::string_view text, std::string_view open, std::size_t from) {
  const bool is_tag = open.starts_with('<') && open.back() >= 'a' && open.find('|') == open.npos;
  for (std::size_t at = from; (at = text.find(open, at)) != text.npos; ++at) {
    const std::size_t end = at + open.size();
    if (!is_tag || end == text.size() || text[end] == '>' || text[end] == ' ') return at;
  }
  return text.npos;
}

std::string without(const Block& block, const std::string& text) {
  const std::string lowered = lower(text);
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = opening(lowered, block.open, at);
    std::size_t close = lowered.find(block.close, at);
    if (block.opened_in_prompt && close < open) {
      out.clear();
    } else {
      out.append(text, at, open - at);
      if (open == text.npos) return out;
      out += '\n';
      close = lowered.find(block.close, open);
      if (close == text.npos) return out;
    }
    at = close + block.close.size();
  }
}

// Bytes of the token or tag that `text` begins with, 0 where it begins with none.
std::size_t tag_length(std::string_view text, bool begins_line) {
  constexpr std::array<std::string_view, 9> kTokens{"[INST]", "[/INST]", "[BOS]",   "[EOS]",   "[PAD]",
                                                    "[SEP]",  "[CLS]",   "<<SYS>>", "<</SYS>>"};
  for (const std::string_view token : kTokens) {
    if (text.starts_with(token)) return token.size();
  }
  if (!text.starts_with('<') || text.size() < 2) return 0;
  const char next = text[1];
  const bool letter = (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z');
  const bool mark = next == '|' || next == '/' || next == '!' || text.substr(1).starts_with("\uff5c");
  if (!letter && !mark) return 0;
  const std::string_view line = text.substr(0, std::min(text.find('\n'), kTagMax));
  const std::size_t end = line.find('>');
  if (end != line.npos) return end + 1;
  return mark || begins_line ? line.size() : 0;  // cut off
}

bool sets_words_apart(std::string_view tag) {
  const std::size_t name = tag.find_first_not_of("</");
  const std::string word = lower(tag.substr(name, tag.find_first_of("/> ", name) - name));
  constexpr std::array<std::string_view, 10> kInline{"b",    "i",    "em",   "strong", "u",
                                                     "span", "code", "mark", "small",  "font"};
  return std::ranges::find(kInline, word) != kInline.end();
}

// Bytes of the role that a token leaves behind: `<|im_start|>assistant`.
std::size_t role_length(std::string_view text) {
  for (const std::string_view role : {"assistant", "model", "final", "user", "system"}) {
    if (!text.starts_with(role)) continue;
    const std::string_view rest = text.substr(role.size());
    if (rest.empty() || rest.starts_with('\n') || rest.starts_with("\r\n") || rest.starts_with('<')) return role.size();
  }
  return 0;
}

}  // namespace

std::string without_markup(std::string_view answer) {
  std::string text(answer);
  for (const Block& block : kReasoning) text = without(block, text);
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = tag_length(rest, out.empty() || out.back() == '\n');
    if (length == 0) {
      out += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    const bool apart = sets_words_apart(rest.substr(0, length));
    rest.remove_prefix(length);
    if (apart) continue;
    out += '\n';
    rest.remove_prefix(role_length(rest));
  }
  return out;
}

}  // namespace figma
