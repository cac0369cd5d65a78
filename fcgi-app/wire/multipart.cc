#include "wire/multipart.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"
#include "base/utf8.h"
#include "wire/http.h"

namespace plugfleet {
namespace {

constexpr std::size_t kBoundaryMax = 70;  // RFC 2046 section 5.1.1
constexpr std::size_t kPaddingMax = 64;   // of spaces after a boundary, which the RFC lets a gateway add

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z'); }

// RFC 9110 section 5.6.2.
bool is_token_character(char c) {
  return is_letter_or_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// RFC 2046 section 5.1.1: bchars, which never end with a space.
bool is_boundary(std::string_view text) {
  return !text.empty() && text.size() <= kBoundaryMax && text.back() != ' ' && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
  });
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// A quoted string's content, taken off the front of `text`, which begins after its first quote. A backslash escapes a quote
// or a backslash alone: some clients write a path's backslashes as they are.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string content;
  while (!text.empty()) {
    char c = text.front();
    text.remove_prefix(1);
    if (c == '"') return content;
    if (c == '\\' && (text.starts_with('"') || text.starts_with('\\'))) {
      c = text.front();
      text.remove_prefix(1);
    }
    content += c;
  }
  return std::nullopt;
}

using Parameters = std::vector<std::pair<std::string, std::string>>;

// "; name=value; other="quoted"" (RFC 9110 section 5.6.6), names in lower case; none where it is not that, or says a name
// twice.
std::optional<Parameters> parameters_in(std::string_view text) {
  Parameters all;
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    if (text.front() != ';') return std::nullopt;
    text = trimmed(text.substr(1));
    if (text.empty()) break;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    const std::string_view name = text.substr(0, equals);
    if (!std::ranges::all_of(name, is_token_character)) return std::nullopt;
    text.remove_prefix(equals + 1);
    std::string value;
    if (text.starts_with('"')) {
      text.remove_prefix(1);
      auto quoted = take_quoted(text);
      if (!quoted) return std::nullopt;
      value = std::move(*quoted);
    } else {
      const auto end = std::ranges::find_if_not(text, is_token_character);
      value.assign(text.begin(), end);
      text.remove_prefix(value.size());
    }
    const std::string key = lower(name);
    if (std::ranges::any_of(all, [&](const auto& one) { return one.first == key; })) return std::nullopt;
    all.emplace_back(key, std::move(value));
  }
  return all;
}

// What follows the first word of a header's value.
std::string_view after_word(std::string_view value) { return value.substr(std::min(value.size(), value.find(';'))); }

}  // namespace

std::expected<std::string, Detail> multipart_boundary(std::string_view content_type) {
  if (media_type_of(content_type) == "multipart/form-data") {
    for (auto& [name, value] : parameters_in(after_word(content_type)).value_or(Parameters())) {
      if (name == "boundary" && is_boundary(value)) return std::move(value);
    }
  }
  return std::unexpected(Detail{
      "Content-Type", fmt::format("must be multipart/form-data with a boundary of 1 to {} characters", kBoundaryMax)});
}

// The first boundary stands as after a line's end: where it would, at the body's beginning, two bytes of it have been matched.
MultipartParser::MultipartParser(std::string_view boundary, std::size_t parts_max, Events events)
    : delimiter_(fmt::format("\r\n--{}", boundary)), parts_max_(parts_max), events_(std::move(events)), matched_(2) {}

bool MultipartParser::broken(std::string message) {
  std::string field = !part_.name.empty() ? part_.name : parts_ > 0 ? fmt::format("parts[{}]", parts_ - 1) : "body";
  fault_ = Detail{std::move(field), std::move(message)};
  return false;
}

bool MultipartParser::feed(std::string_view bytes) {
  if (fault_) return false;
  while (!bytes.empty()) {
    const bool good = stage_ == Stage::start      ? start(bytes)
                      : stage_ == Stage::head     ? head(bytes)
                      : stage_ == Stage::data     ? data(bytes)
                      : stage_ == Stage::boundary ? boundary(bytes)
                                                  : ended(bytes);
    if (!good) return false;
  }
  return true;
}

bool MultipartParser::finish() {
  if (fault_) return false;
  return stage_ == Stage::ended || broken("ends before the last boundary");
}

bool MultipartParser::start(std::string_view& bytes) {
  if (bytes.front() != delimiter_[matched_]) return broken("must begin with the boundary");
  bytes.remove_prefix(1);
  if (++matched_ == delimiter_.size()) stage_ = Stage::boundary;
  return true;
}

void MultipartParser::pass(std::string_view part) {
  if (!part.empty()) events_.data(part);
}

// Since the delimiter's CR stands nowhere else in it, what was matched in vain is data as a whole, and the byte that did not
// match can only begin another one.
bool MultipartParser::data(std::string_view& bytes) {
  if (matched_ == 0) {
    const std::size_t size = std::min(bytes.size(), bytes.find('\r'));
    pass(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  while (!bytes.empty() && bytes.front() == delimiter_[matched_]) {
    bytes.remove_prefix(1);
    if (++matched_ < delimiter_.size()) continue;
    stage_ = Stage::boundary;
    return true;
  }
  if (!bytes.empty()) {
    pass(std::string_view(delimiter_).substr(0, matched_));
    matched_ = 0;
  }
  return true;
}

// After a delimiter: "--" where it was the last, else spaces and a line's end. The RFC calls a line that begins with the
// delimiter a boundary whatever follows, so that one which goes on is neither data nor a boundary of ours.
bool MultipartParser::boundary(std::string_view& bytes) {
  line_ += bytes.front();
  bytes.remove_prefix(1);
  const bool last = line_ == "--";
  const bool next = line_.ends_with("\r\n");
  if (!last && !next) {
    if (line_ == "-") return true;
    const std::string_view padding = std::string_view(line_).substr(0, line_.size() - (line_.ends_with('\r') ? 1 : 0));
    if (padding.size() > kPaddingMax || padding.find_first_not_of(" \t") != std::string_view::npos)
      return broken("holds the boundary, or ends with one that goes on");
    return true;
  }
  line_.clear();
  matched_ = 0;
  if (parts_ > 0) events_.end();
  if (last) {
    stage_ = Stage::ended;
    return parts_ > 0 || broken("holds no part");
  }
  part_ = {};
  ++parts_;
  if (parts_ > parts_max_) return broken(fmt::format("is one part too many: {} may be sent", parts_max_));
  stage_ = Stage::head;
  head_size_ = 0;
  return true;
}

bool MultipartParser::head(std::string_view& bytes) {
  const char c = bytes.front();
  bytes.remove_prefix(1);
  if (++head_size_ > kMultipartHeadMax) return broken(fmt::format("has headers over {} bytes", kMultipartHeadMax));
  const bool after_return = line_.ends_with('\r');
  if (after_return != (c == '\n')) return broken("has a header line that does not end with CR LF");
  line_ += c;
  if (c != '\n') return true;
  const std::string line = std::exchange(line_, {});
  if (line.size() > 2) return header(std::string_view(line).substr(0, line.size() - 2));
  if (part_.name.empty()) return broken("has no name in a Content-Disposition: form-data");
  stage_ = Stage::data;
  events_.begin(part_);
  return true;
}

bool MultipartParser::header(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || name.empty() || !std::ranges::all_of(name, is_token_character))
    return broken("has a header line without a name");
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (std::ranges::any_of(value, [](char c) { return is_control(c) && c != '\t'; }))
    return broken("has a header with control characters");
  if (equal_ignoring_case(name, "Content-Disposition")) return disposition(value);
  if (equal_ignoring_case(name, "Content-Type") && media_type_of(value).starts_with("multipart/"))
    return broken("holds parts itself");
  if (equal_ignoring_case(name, "Content-Transfer-Encoding")) {
    const std::string encoding = lower(value);  // RFC 7578 section 4.7: nobody is to send it
    if (encoding != "binary" && encoding != "8bit" && encoding != "7bit") return broken("is sent encoded");
  }
  return true;
}

bool MultipartParser::disposition(std::string_view value) {
  if (!part_.name.empty()) return broken("has two Content-Dispositions");
  const auto parameters = parameters_in(after_word(value));
  if (media_type_of(value) != "form-data" || !parameters)
    return broken("has a Content-Disposition that is not form-data");
  std::string part_name;
  for (const auto& [key, text] : *parameters) {
    if (key == "name") part_name = text;
    if (key == "filename" || key == "filename*") part_.is_file = true;
  }
  if (part_name.empty()) return broken("has no name in its Content-Disposition");
  if (part_name.size() > kMultipartNameMax || !is_utf8(part_name) || std::ranges::any_of(part_name, is_control))
    return broken(fmt::format("has a name over {} bytes, or one that is not text", kMultipartNameMax));
  part_.name = std::move(part_name);
  return true;
}

// After the last boundary one line's end may stand; whoever put it into a photo would else have cut the photo short.
bool MultipartParser::ended(std::string_view& bytes) {
  line_ += bytes.front();
  bytes.remove_prefix(1);
  return std::string_view("\r\n").starts_with(line_) || broken("goes on after the last boundary");
}

}  // namespace plugfleet
