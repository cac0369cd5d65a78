// PNG files for tests, painted by a function and written without a library: RGBA, 8 bits, nothing compressed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "wire/image.h"

namespace plugfleet::test {

using Bytes = std::vector<std::uint8_t>;

inline void append(Bytes& to, std::uint32_t number) {
  for (const int shift : {24, 16, 8, 0}) to.push_back(static_cast<std::uint8_t>(number >> shift));
}

inline std::uint32_t crc(std::span<const std::uint8_t> bytes) {  // PNG, annex D
  std::uint32_t sum = ~0U;
  for (const auto byte : bytes) {
    sum ^= byte;
    for (int i = 0; i < 8; ++i) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320U : 0);
  }
  return ~sum;
}

inline void append_chunk(Bytes& png, std::string_view type, const Bytes& data) {
  append(png, static_cast<std::uint32_t>(data.size()));
  const auto start = png.size();
  png.insert(png.end(), type.begin(), type.end());
  png.insert(png.end(), data.begin(), data.end());
  append(png, crc(std::span(png).subspan(start)));
}

// zlib's format with nothing compressed (RFC 1950, and RFC 1951, section 3.2.4).
inline Bytes stored(const Bytes& data) {
  Bytes out{0x78, 0x01};
  std::uint32_t a = 1, b = 0;
  for (std::size_t at = 0; at < data.size(); at += 65'535) {
    const auto length = std::min<std::size_t>(data.size() - at, 65'535);
    const auto low = static_cast<std::uint8_t>(length), high = static_cast<std::uint8_t>(length >> 8);
    out.insert(out.end(),
               {std::uint8_t(at + length == data.size()), low, high, std::uint8_t(~low), std::uint8_t(~high)});
    out.insert(out.end(), data.begin() + at, data.begin() + at + length);
  }
  for (const auto byte : data) a = (a + byte) % 65'521, b = (b + a) % 65'521;
  append(out, b << 16 | a);
  return out;
}

struct Rgba {
  std::uint8_t r, g, b, a;
  bool operator==(const Rgba&) const = default;
};
using Paint = std::function<Rgba(std::uint32_t x, std::uint32_t y)>;

inline Bytes png_head(ImageSize size, bool interlaced) {
  Bytes png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  Bytes header;
  append(header, size.width);
  append(header, size.height);
  header.insert(header.end(), {8, 6, 0, 0, interlaced});  // RGBA, 8 bits each
  append_chunk(png, "IHDR", header);
  return png;
}

inline Bytes png_of(ImageSize size, const Paint& paint, bool interlaced = false) {
  struct Pass {
    std::uint32_t x, y, dx, dy;
  };
  static constexpr Pass kWhole[]{{0, 0, 1, 1}};
  static constexpr Pass kAdam7[]{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                 {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
  Bytes rows;
  for (const auto& pass : interlaced ? std::span<const Pass>(kAdam7) : kWhole) {
    if (pass.x >= size.width) continue;
    for (auto y = pass.y; y < size.height; y += pass.dy) {
      rows.push_back(0);  // no filter
      for (auto x = pass.x; x < size.width; x += pass.dx) {
        const auto colour = paint(x, y);
        rows.insert(rows.end(), {colour.r, colour.g, colour.b, colour.a});
      }
    }
  }
  auto png = png_head(size, interlaced);
  append_chunk(png, "IDAT", stored(rows));
  append_chunk(png, "IEND", {});
  return png;
}

}  // namespace plugfleet::test
