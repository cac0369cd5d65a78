#include <cmath>
#include <limits>
#include <set>

#include "figma/offline/edits.h"
#include "support/check.h"
#include "wire/image.h"

using namespace plugfleet;
using figma::offline_image;

namespace {

Pixels decoded(const std::string& png) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(png.data()), png.size());
  CHECK(sniff_image(bytes) == ImageFormat::png);
  const auto pixels = decode_image(bytes);
  CHECK(pixels.has_value());
  return *pixels;
}

struct Mean {
  double red = 0, green = 0, blue = 0;
};

Mean mean_of(const Pixels& pixels) {
  Mean mean;
  const double count = static_cast<double>(pixels.rgba.size()) / 4;
  for (std::size_t i = 0; i < pixels.rgba.size(); i += 4) {
    mean.red += pixels.rgba[i] / count, mean.green += pixels.rgba[i + 1] / count,
        mean.blue += pixels.rgba[i + 2] / count;
    CHECK_EQ(pixels.rgba[i + 3], 255);
  }
  return mean;
}

std::size_t colours_in(const Pixels& pixels) {
  std::set<std::uint32_t> seen;
  for (std::size_t i = 0; i < pixels.rgba.size(); i += 4)
    seen.insert(std::uint32_t{pixels.rgba[i]} << 16 | pixels.rgba[i + 1] << 8 | pixels.rgba[i + 2]);
  return seen.size();
}

}  // namespace

TEST(a_picture_has_the_size_that_was_asked_within_bounds) {
  CHECK_EQ(decoded(offline_image("a", 320, 200)).source, (ImageSize{320, 200}));
  CHECK_EQ(decoded(offline_image("a", 1, 0)).source, (ImageSize{16, 16}));
  CHECK_EQ(decoded(offline_image("a", 1e9, -5)).source, (ImageSize{1024, 16}));
  CHECK_EQ(decoded(offline_image("a", 99.6, 100.4)).source, (ImageSize{100, 100}));
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  CHECK_EQ(decoded(offline_image("a", nan, inf)).source, (ImageSize{16, 16}));
}

TEST(the_same_prompt_gives_the_same_bytes_and_another_gives_others) {
  CHECK_EQ(offline_image("a calm sea", 200, 100), offline_image("a calm sea", 200, 100));
  std::set<std::string> seen;
  for (int i = 0; i < 40; ++i) CHECK(seen.insert(offline_image(fmt::format("prompt {}", i), 64, 64)).second);
}

TEST(the_largest_pictures_are_small_files_of_every_form) {
  for (const std::string form : {"gradient", "glow", "soft", "striped", "dotted", "hills", "portrait"}) {
    const auto png = offline_image(form + " in navy and coral", 1024, 1024);
    CHECK(png.size() < 200'000);
    CHECK(colours_in(decoded(png)) >= 3);
  }
}

TEST(colours_come_from_codes_then_words_then_chance) {
  for (const std::string form : {"gradient", "glow", "soft", "striped", "dotted", "hills", "portrait"}) {
    const Mean coded = mean_of(decoded(offline_image(form + " in green, of #CC0000 and #AA2200", 64, 64)));
    CHECK(coded.red > 150 && coded.green < 60 && coded.blue < 40);
    const Mean worded = mean_of(decoded(offline_image(form + " in Blue and NAVY", 64, 64)));
    CHECK(worded.blue > worded.red + 40);
  }
  CHECK(colours_in(decoded(offline_image("", 64, 64))) >= 2);
  CHECK(colours_in(decoded(offline_image("one: #123456", 64, 64))) >= 2);
}

TEST(any_bytes_are_a_prompt) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  decoded(offline_image(bytes, 40, 40));
  decoded(offline_image(std::string(500'000, '#'), 40, 40));
  decoded(offline_image(std::string(500'000, 'a'), 40, 40));
  decoded(offline_image("# #1 #GGGGGG #12345", 40, 40));
}
