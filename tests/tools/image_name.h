// The name the fake provider gives an image, so that a test can say which answer belongs to which layer.
//
// It depends on the base64 text alone: its first 512 characters, its length and the sum of its bytes. That much can
// be gathered while the body streams by, whatever the pieces it comes in.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace plugfleet::test {

constexpr std::size_t kNamedPrefix = 512;

inline std::uint64_t byte_sum(std::string_view text) {
  std::uint64_t sum = 0;
  for (const char c : text) sum += static_cast<unsigned char>(c);
  return sum;
}

inline std::string image_name(std::string_view prefix, std::size_t length, std::uint64_t sum) {
  std::uint32_t hash = 2166136261;  // FNV-1a
  for (const char c : fmt::format("{}{}:{}", prefix.substr(0, kNamedPrefix), length, sum)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return fmt::format("Layer {:08x}", hash);
}

// `base64` is the image as the client sent it, without a `data:` prefix.
inline std::string image_name(std::string_view base64) { return image_name(base64, base64.size(), byte_sum(base64)); }

}  // namespace plugfleet::test
