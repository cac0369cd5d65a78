// A frame, and answers about it, for the tests of edits.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "figma/edits/edits.h"

namespace figma::test {

inline LayerMetadata layer(std::string id, std::string type, double width = 100, double height = 50) {
  LayerMetadata made;
  made.id = std::move(id), made.type = std::move(type), made.name = "Layer";
  made.width = width, made.height = height;
  return made;
}

// A title "1:1" (TEXT) and a box "1:2" (RECTANGLE).
inline EditRequest frame() {
  EditRequest request;
  request.user_email = "a@example.org", request.frame_name = "Frame";
  request.frame_width = 800, request.frame_height = 600;
  request.layers = {layer("1:1", "TEXT"), layer("1:2", "RECTANGLE")};
  return request;
}

inline std::string variant(std::string_view instructions, std::string_view theme = "Calm") {
  return fmt::format(R"({{"theme":"{}","description":"d","instructions":[{}]}})", theme, instructions);
}

inline constexpr const char* kFill = R"({"action":"setFill","layerId":"1:2","fill":"#112233"})";

inline std::string answer_of(const std::vector<std::string>& variants) {
  return fmt::format(R"({{"variants":[{}]}})", fmt::join(variants, ","));
}

// Five sound variants, the first with these instructions as well.
inline std::string answer_with(std::string_view instructions) {
  std::vector<std::string> variants(5, variant(kFill));
  variants[0] = variant(fmt::format("{},{}", instructions, kFill));
  return answer_of(variants);
}

}  // namespace figma::test
