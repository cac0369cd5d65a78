#include "figma/layer_image.h"

#include "support/check.h"
#include "support/png.h"
#include "wire/base64.h"

using namespace plugfleet::test;
using plugfleet::encode_base64;

namespace {

std::string complaint(const Bytes& bytes) {
  const std::string base64 = encode_base64(bytes);
  const auto image = figma::read_layer_image(base64);
  return image ? "" : image.error();
}

// What a JPEG begins with, as many of its segments, and a frame of that size.
Bytes jpeg(std::size_t segments, std::uint8_t side) {
  Bytes bytes{0xff, 0xd8};
  for (; segments > 0; --segments) {
    bytes.insert(bytes.end(), {0xff, 0xe1, 0xff, 0xff});
    bytes.resize(bytes.size() + 0xfffd, 'x');
  }
  bytes.insert(bytes.end(), {0xff, 0xc0, 0, 17, 8, side, side, side, side, 3});
  bytes.resize(bytes.size() + 11);
  return bytes;
}

}  // namespace

TEST(the_size_that_an_image_declares_is_found_wherever_it_stands) {
  for (const std::size_t segments : {0, 1, 5, 40}) {
    CHECK_EQ(complaint(jpeg(segments, 1)), "");
    CHECK_EQ(complaint(jpeg(segments, 255)), "declares 65535 x 65535 pixels, more than are taken");
  }
}

TEST(an_image_that_declares_no_size_is_refused) {
  const std::string refused = "is a damaged image: it declares no width or height";
  CHECK_EQ(complaint(jpeg(3, 0)), refused);
  CHECK_EQ(complaint(png_head({0, 0}, false)), refused);
  CHECK_EQ(complaint(png_head({0, 5}, false)), refused);
  auto late = png_head({5, 5}, false);
  Bytes text;
  append_chunk(text, "tEXt", {'a', 0, 'b'});
  late.insert(late.begin() + 8, text.begin(), text.end());
  CHECK_EQ(complaint(late), refused);
  CHECK_EQ(complaint({0xff, 0xd8, 0xff, 0xd9}), refused);
  CHECK_EQ(complaint(png_head({5, 5}, false)), "");
}
