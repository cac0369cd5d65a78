#include "figma/edits/images.h"

#include "edits_support.h"
#include "support/check.h"

using namespace figma;
using namespace figma::test;

namespace {

Variant painting(const std::vector<std::string>& prompts) {
  Variant variant{.theme = "t", .description = "d", .instructions = {}};
  for (const std::string& prompt : prompts) {
    variant.instructions.push_back({.action = "setVisible", .layer_id = "1:1", .visible = true});
    variant.instructions.push_back({.action = "generateImage", .layer_id = "1:2", .image_prompt = prompt});
  }
  return variant;
}

std::string names(const std::vector<WantedPicture>& wanted) {
  std::string text;
  for (const WantedPicture& one : wanted) text += fmt::format("{}{}x{} ", one.prompt, one.uses, one.width);
  return text;
}

}  // namespace

TEST(a_prompt_is_painted_once_however_often_it_is_used) {
  CHECK_EQ(names(wanted_pictures({painting({"fox", "fox", "owl"}), painting({"fox"})}, frame())), "fox3x100 owl1x100 ");
}

TEST(every_variants_first_picture_comes_before_any_variants_second) {
  const auto wanted = wanted_pictures({painting({"a", "b"}), painting({}), painting({"c", "d"})}, frame());
  CHECK_EQ(names(wanted), "a1x100 c1x100 b1x100 d1x100 ");
}

TEST(twenty_pictures_are_painted_at_most) {
  std::vector<std::string> prompts;
  for (int i = 0; i < 200; ++i) prompts.push_back(fmt::format("p{}", i));
  prompts.back() = "p0";
  const auto wanted = wanted_pictures({painting(prompts)}, frame());
  CHECK_EQ(wanted.size(), kPicturesMax);
  CHECK_EQ(wanted.front().uses, 2U);
}
