// A layer's image as the client sent it: checked, not decoded, not copied.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace figma {

struct LayerImage {
  std::string_view media_type;  // by its bytes, whatever the client called it
  std::string_view base64;      // within what was sent
};

// `sent`: with or without a data: prefix; it must outlive the image. What is wrong comes back as a complaint about the
// field: it is not base64, no PNG, JPEG or WebP, or declares more pixels than anyone would decode.
std::expected<LayerImage, std::string> read_layer_image(std::string_view sent);

}  // namespace figma
