// Reads a JSON body as it streams by and keeps its skeleton: the same JSON with every long base64 string cut short.
//
// A cut string is its first kKept characters and "#<length of the rest>:<byte sum of the rest>", which is all that
// image_name() needs. Text is kept whole. The skeleton is valid JSON exactly when the body was, so a parser can check
// a 28 MB body by reading a few kilobytes.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "image_name.h"

namespace plugfleet::test {

class BodyScan {
 public:
  void feed(std::string_view bytes) {
    size_ += bytes.size();
    while (!bytes.empty()) bytes.remove_prefix(in_string_ ? feed_string(bytes) : feed_outside(bytes));
  }

  std::size_t size() const { return size_; }
  const std::string& skeleton() const { return skeleton_; }

 private:
  static constexpr std::size_t kKept = 600;

  std::size_t feed_outside(std::string_view bytes) {
    const auto quote = bytes.find('"');
    const auto used = quote == bytes.npos ? bytes.size() : quote + 1;
    skeleton_ += bytes.substr(0, used);
    if (quote != bytes.npos) {
      in_string_ = true;
      kind_ = Kind::unknown;
      start_ = skeleton_.size();
    }
    return used;
  }

  std::size_t feed_string(std::string_view bytes) {
    const auto end = string_end(bytes);
    keep(bytes.substr(0, end));
    if (end == bytes.size()) return end;
    if (kind_ == Kind::base64) skeleton_ += fmt::format("#{}:{}", dropped_, sum_);
    skeleton_ += '"';
    in_string_ = false;
    return end + 1;
  }

  // Where the string's closing quote stands, or bytes.size(). Two memchr for base64; byte by byte only past an escape.
  std::size_t string_end(std::string_view bytes) {
    const auto quote = std::min(bytes.find('"'), bytes.size());
    if (!escaped_ && bytes.substr(0, quote).find('\\') == bytes.npos) return quote;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (escaped_) {
        escaped_ = false;
      } else if (bytes[i] == '\\') {
        escaped_ = true;
      } else if (bytes[i] == '"') {
        return i;
      }
    }
    return bytes.size();
  }

  void keep(std::string_view piece) {
    if (kind_ == Kind::base64) return drop(piece);
    skeleton_ += piece;
    if (kind_ == Kind::text || skeleton_.size() - start_ <= kKept) return;
    const auto head = std::string_view(skeleton_).substr(start_, kKept);
    kind_ = std::ranges::all_of(head, is_data_url_character) ? Kind::base64 : Kind::text;
    if (kind_ == Kind::text) return;
    dropped_ = 0;
    sum_ = 0;
    drop(std::string_view(skeleton_).substr(start_ + kKept));
    skeleton_.resize(start_ + kKept);
  }

  void drop(std::string_view piece) {
    dropped_ += piece.size();
    sum_ += byte_sum(piece);
  }

  static bool is_data_url_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("+/=:;,").find(c) != std::string_view::npos;
  }

  enum class Kind { unknown, text, base64 };

  std::string skeleton_;
  std::size_t size_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  Kind kind_ = Kind::unknown;
  std::size_t start_ = 0;    // of the string's content in the skeleton
  std::size_t dropped_ = 0;  // of the string being cut
  std::uint64_t sum_ = 0;
};

// image_name() of an image's base64 as it stands in a skeleton.
inline std::string skeleton_image_name(std::string_view base64) {
  const auto kept = base64.substr(0, base64.find('#'));
  std::size_t dropped = 0;
  std::uint64_t sum = 0;
  if (kept.size() < base64.size()) {
    const char* end = base64.data() + base64.size();
    const auto length = std::from_chars(base64.data() + kept.size() + 1, end, dropped);
    std::from_chars(length.ptr + 1, end, sum);
  }
  return image_name(kept, kept.size() + dropped, byte_sum(kept) + sum);
}

}  // namespace plugfleet::test
