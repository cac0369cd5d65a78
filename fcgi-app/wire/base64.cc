#include "wire/base64.h"

#include <algorithm>
#include <array>

namespace plugfleet {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xff;

// What each character stands for.
constexpr std::array<std::uint8_t, 256> values_of(std::string_view alphabet) {
  std::array<std::uint8_t, 256> values;
  values.fill(kNone);
  for (std::size_t i = 0; i < alphabet.size(); ++i) values[static_cast<unsigned char>(alphabet[i])] = i;
  return values;
}

constexpr auto kValue = values_of(kAlphabet);

std::uint32_t value(char c) { return kValue[static_cast<unsigned char>(c)]; }

// `text` without its padding; nothing when its length, its padding or its last character cannot be right.
std::optional<std::string_view> without_padding(std::string_view text) {
  if (text.ends_with('=')) {
    if (text.size() % 4 != 0) return std::nullopt;
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  const auto rest = text.size() % 4;
  if (rest == 1) return std::nullopt;
  if (rest == 2 && (value(text.back()) & 0x0f) != 0) return std::nullopt;
  if (rest == 3 && (value(text.back()) & 0x03) != 0) return std::nullopt;
  return text;
}

}  // namespace

bool is_base64(std::string_view text) {
  const auto digits = without_padding(text);
  if (!digits) return false;
  // Ranges rather than a table, on bytes, without a branch: the compiler makes it 16 characters at a time.
  std::uint8_t bad = 0;
  for (const char c : *digits) {
    const auto byte = static_cast<std::uint8_t>(c);
    const std::uint8_t letter = static_cast<std::uint8_t>((byte | 0x20) - 'a') < 26;
    const std::uint8_t digit = static_cast<std::uint8_t>(byte - '/') < 11;  // '/' stands just before '0'
    const std::uint8_t plus = byte == '+';
    bad |= static_cast<std::uint8_t>((letter | digit | plus) ^ 1);
  }
  return bad == 0;
}

std::optional<std::vector<std::uint8_t>> decode_base64(std::string_view text) {
  const auto digits = without_padding(text);
  if (!digits) return std::nullopt;
  const auto rest = digits->size() % 4;
  std::vector<std::uint8_t> bytes(digits->size() / 4 * 3 + (rest ? rest - 1 : 0));
  const char* in = digits->data();
  std::uint8_t* out = bytes.data();
  std::uint32_t seen = 0;  // every value is under 64 unless some character is kNone
  for (const char* const end = in + (digits->size() - rest); in != end; in += 4, out += 3) {
    const auto a = value(in[0]), b = value(in[1]), c = value(in[2]), d = value(in[3]);
    seen |= a | b | c | d;
    const auto bits = a << 18 | b << 12 | c << 6 | d;
    out[0] = static_cast<std::uint8_t>(bits >> 16);
    out[1] = static_cast<std::uint8_t>(bits >> 8);
    out[2] = static_cast<std::uint8_t>(bits);
  }
  if (rest != 0) {
    const auto a = value(in[0]), b = value(in[1]), c = rest == 3 ? value(in[2]) : 0;
    seen |= a | b | c;
    out[0] = static_cast<std::uint8_t>(a << 2 | b >> 4);
    if (rest == 3) out[1] = static_cast<std::uint8_t>(b << 4 | c >> 2);
  }
  if (seen > 63) return std::nullopt;
  return bytes;
}

std::optional<std::vector<std::uint8_t>> decode_base64_prefix(std::string_view text, std::size_t count) {
  const auto groups = count / 3 + (count % 3 != 0);
  auto bytes = decode_base64(groups > text.size() / 4 ? text : text.substr(0, groups * 4));
  if (bytes) bytes->resize(std::min(bytes->size(), count));
  return bytes;
}

std::optional<std::string> decode_base64url(std::string_view text, std::size_t room) {
  static constexpr auto kValues = values_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4 + room);
  bytes.resize(text.size() * 3 / 4);
  char* next = bytes.data();
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const unsigned char letter : text) {
    if (kValues[letter] == kNone) return std::nullopt;
    bits = bits << 6 | kValues[letter];
    held += 6;
    if (held >= 8) *next++ = static_cast<char>(bits >> (held -= 8));
  }
  if (held == 6 || (bits & ((1u << held) - 1)) != 0) return std::nullopt;
  return bytes;
}

std::string encode_base64(std::span<const std::uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '=');
  char* out = text.data();
  for (; bytes.size() >= 3; bytes = bytes.subspan(3)) {
    const std::uint32_t bits = bytes[0] << 16 | bytes[1] << 8 | bytes[2];
    for (const int shift : {18, 12, 6, 0}) *out++ = kAlphabet[bits >> shift & 63];
  }
  if (!bytes.empty()) {
    const std::uint32_t bits = bytes[0] << 16 | (bytes.size() == 2 ? bytes[1] << 8 : 0);
    *out++ = kAlphabet[bits >> 18];
    *out++ = kAlphabet[bits >> 12 & 63];
    if (bytes.size() == 2) *out++ = kAlphabet[bits >> 6 & 63];
  }
  return text;
}

std::string encode_base64url(std::span<const std::uint8_t> bytes) {
  std::string text = encode_base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.erase(std::min(text.find('='), text.size()));
  return text;
}

}  // namespace plugfleet
