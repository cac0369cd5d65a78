// Images a client sent: what format their bytes say, how large they claim to be, and a small copy of their pixels. And
// images that we draw, as PNG.
//
// Bytes are hostile until decoded: a claim of size is checked before anything of that size is allocated. An image is
// looked at as viewers show it: turned upright, of an animation the first frame, and where the file is cut off or
// damaged after its first half, that much of it with its last row drawn on: never a grey half. decode_image is CPU work
// (about 10 ns a declared pixel): not for the reactor's thread. Pure; it never throws but for memory, and never looks
// at colour profiles.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugfleet {

enum class ImageFormat { png, jpeg, webp };

inline constexpr std::size_t kSniffBytes = 12;  // as many as sniff_image looks at

std::optional<ImageFormat> sniff_image(std::span<const std::uint8_t> head);
std::string_view media_type(ImageFormat format);

struct ImageSize {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  bool operator==(const ImageSize&) const = default;
};

// What the header declares, both at least 1, before it is turned upright. Nothing is decoded. Some bytes of the
// beginning are enough: 24 for a PNG, 30 for a WebP, a JPEG's up to its frame header, which may stand after its EXIF
// and profile.
std::optional<ImageSize> image_size(std::span<const std::uint8_t> bytes);

enum class ImageError {
  not_an_image,  // none of the three formats
  too_large,     // declares more than the limits allow; nothing was allocated
  corrupt,       // damaged, or cut off before half of it
};

std::string_view describe(ImageError error);  // for a person: "is not a PNG, JPEG or WebP image"

struct ImageLimits {
  std::uint32_t side = 16'384;
  std::uint64_t pixels = 4096 * 4096;  // the most Figma itself takes for an image (createImage)
};

inline constexpr std::uint64_t kDecodedPixels = 65'536;  // 256 x 256

struct Pixels {
  ImageSize source;   // as declared, upright
  ImageSize size;     // as decoded: `source` divided by a whole number, so that at most kDecodedPixels remain
  bool whole = true;  // every pixel was there; else it was cut off, and the last ones are drawn on
  std::vector<std::uint8_t> rgba;  // 8 bits each, alpha not premultiplied, rows from the top without gaps
};

// Memory while it works: for a PNG or a baseline JPEG some rows; for a WebP or a progressive JPEG up to 8 bytes a
// declared pixel.
std::expected<Pixels, ImageError> decode_image(std::span<const std::uint8_t> bytes, const ImageLimits& limits = {});

// A PNG's bytes. `pixels`: width x height places in the palette, rows from the top; the palette has 1 to 256 colours.
using PaletteColour = std::array<std::uint8_t, 3>;  // red, green, blue
std::string encode_png(ImageSize size, std::span<const PaletteColour> palette, std::span<const std::uint8_t> pixels);

}  // namespace plugfleet
