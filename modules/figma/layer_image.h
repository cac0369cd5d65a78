// A layer's image as the client sent it: checked, not decoded, not copied.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace figma {

struct LayerImage {
  std::string_view media_type;  // by its bytes, whatever the client called it
  std::string_view view;        // base64, within the body
  std::string unescaped;        // in place of `view` where the client escaped slashes

  std::string_view base64() const { return unescaped.empty() ? view : std::string_view(unescaped); }
};

// `raw`: a JSON string's text, with or without a data: prefix. What is wrong comes back as a complaint about the field:
// it is no base64, no PNG, JPEG or WebP, or declares more pixels than anyone would decode.
std::expected<LayerImage, std::string> read_layer_image(std::string_view raw);

}  // namespace figma
