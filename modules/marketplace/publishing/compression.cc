#include "marketplace/publishing/compression.h"

#include <brotli/encode.h>

#include <algorithm>
#include <stdexcept>

#include "wire/gzip.h"

namespace marketplace {
namespace {

constexpr std::size_t kWorthIt = 512, kThoroughUpTo = 2 << 20;  // bytes
constexpr std::string_view kText[] = {".html", ".htm", ".js",  ".css", ".json", ".svg",
                                      ".txt",  ".md",  ".map", ".xml", ".wasm", ".csv"};

std::string brotli(std::string_view bytes) {
  const int quality = bytes.size() <= kThoroughUpTo ? 11 : 9;  // 11 takes 20 times as long
  std::size_t size = BrotliEncoderMaxCompressedSize(bytes.size());
  std::string packed(size, '\0');
  if (!BrotliEncoderCompress(quality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, bytes.size(),
                             reinterpret_cast<const std::uint8_t*>(bytes.data()), &size,
                             reinterpret_cast<std::uint8_t*>(packed.data())))
    throw std::runtime_error("brotli does not compress");
  packed.resize(size);
  return packed;
}

}  // namespace

std::optional<Compressed> compressed(std::string_view path, std::string_view bytes) {
  if (bytes.size() < kWorthIt ||
      std::ranges::none_of(kText, [&](std::string_view ending) { return path.ends_with(ending); }))
    return std::nullopt;
  return Compressed{.gzip = plugfleet::gzip(bytes), .brotli = brotli(bytes)};
}

}  // namespace marketplace
