#include "figma/layer_image.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/base64.h"
#include "wire/image.h"

namespace figma {

using namespace plugfleet;

namespace {

constexpr std::size_t kHeadBytes = 1024;  // a PNG's and a WebP's size stand here; a JPEG's mostly do
constexpr std::size_t kHeadGrows = 16;    // times, where it does not
constexpr std::size_t kDataPrefixMax = 128;

// "data:image/png;base64," (RFC 2397) off the front.
std::string_view without_data_prefix(std::string_view text) {
  if (!text.starts_with("data:")) return text;
  const std::size_t comma = text.substr(0, kDataPrefixMax).find(',');
  if (comma == text.npos || !text.substr(0, comma).ends_with(";base64")) return {};
  return text.substr(comma + 1);
}

}  // namespace

std::expected<LayerImage, std::string> read_layer_image(std::string_view sent) {
  const std::string_view base64 = without_data_prefix(sent);
  if (base64.empty() || !is_base64(base64)) return std::unexpected("is not base64");
  auto head = decode_base64_prefix(base64, kHeadBytes);
  const auto format = head ? sniff_image(*head) : std::nullopt;
  if (!format) return std::unexpected("is not a PNG, JPEG or WebP image");
  const ImageLimits limits;
  auto size = image_size(*head);
  for (auto bytes = kHeadBytes; !size && bytes * 4 / 3 < base64.size() && *format == ImageFormat::jpeg;) {
    bytes *= kHeadGrows;
    head = decode_base64_prefix(base64, bytes);
    size = head ? image_size(*head) : std::nullopt;
  }
  if (!size) return std::unexpected("is a damaged image: it declares no width or height");
  if (std::max(size->width, size->height) > limits.side || std::uint64_t{size->width} * size->height > limits.pixels) {
    return std::unexpected(fmt::format("declares {} x {} pixels, more than are taken", size->width, size->height));
  }
  return LayerImage{media_type(*format), base64};
}

}  // namespace figma
