#include "wire/image.h"

#include <random>

#include "support/check.h"
#include "support/png.h"
#include "wire/base64.h"

using namespace plugfleet::test;
using namespace plugfleet;

namespace {

// 32 x 24, the left half red, the right half blue, as the two after it.
constexpr std::string_view kJpeg =
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYU"
    "GBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAYACAD"
    "ASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAYH/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/EABYBAQEBAAAAAAAAAAAAAAAAAAkHCP/EABQR"
    "AQAAAAAAAAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/AMSASpv1HgE4FusABjlIR4BOBbv/2Q==";
// Progressive.
constexpr std::string_view kProgressiveJpeg =
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYU"
    "GBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wgARCAAYACAD"
    "ASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAUG/8QAFgEBAQEAAAAAAAAAAAAAAAAACAYH/9oADAMBAAIQAxAAAAHECU36OE4W7AMakjhO"
    "Fv8A/8QAFBABAAAAAAAAAAAAAAAAAAAAMP/aAAgBAQABBQJP/8QAFBEBAAAAAAAAAAAAAAAAAAAAIP/aAAgBAwEBPwEf/8QAFBEBAAAAAAAAAAAA"
    "AAAAAAAAIP/aAAgBAgEBPwEf/8QAFBABAAAAAAAAAAAAAAAAAAAAMP/aAAgBAQAGPwJP/8QAFBABAAAAAAAAAAAAAAAAAAAAMP/aAAgBAQABPyFP"
    "/9oADAMBAAIAAwAAABD/AP8A/wD/xAAUEQEAAAAAAAAAAAAAAAAAAAAg/9oACAEDAQE/EB//xAAUEQEAAAAAAAAAAAAAAAAAAAAg/9oACAECAQE/"
    "EB//xAAUEAEAAAAAAAAAAAAAAAAAAAAw/9oACAEBAAE/EE//2Q==";
// Lossy.
constexpr std::string_view kWebp =
    "UklGRmAAAABXRUJQVlA4IFQAAACQBACdASogABgAPjESh0KiIQ39VgAQAYJZAB3BfAPwA/YDjAuwH7AAExi4nAAA/vRRH//51lokJj///rybh4Lw"
    "p/8AjQ67HwenpkXIi7MZ4IAAAAA=";
// The same halves, 640 x 480.
constexpr std::string_view kLargeJpeg =
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYU"
    "GBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAHgAoAD"
    "ASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAYH/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/EABcBAQEBAQAAAAAAAAAAAAAAAAAJBwj/xAAU"
    "EQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwDEgGVO/QAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAE"
    "x1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApw"
    "luAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1S"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAEeApwluAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsAEx1SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEeApwluAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAA//Z";
// The same halves, 1024 x 768, lossless.
constexpr std::string_view kLargeWebp =
    "UklGRlAAAABXRUJQVlA4TEMAAAAv/8O/AA9Qjwtx38N3/qMCQbbN/aUPMIBG9H8Cln+e//iP//iP//iP//iP//iP//iP//iP//iP//iP//iP//iP"
    "/1gOAA==";
// The halves on their side, 24 x 32, with EXIF that says so (orientation 6).
constexpr std::string_view kTurnedJpeg =
    "/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/"
    "2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYI"
    "DAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/"
    "2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
    "FBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAgABgDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAYI/"
    "8QAFBABAAAAAAAAAAAAAAAAAAAAAP/E"
    "ABcBAQEBAQAAAAAAAAAAAAAAAAAJBwj/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwDMQDuNmgACwATHVIAAf//Z";
// As PNG.
constexpr std::string_view kTurnedPng =
    "iVBORw0KGgoAAAANSUhEUgAAABgAAAAgCAIAAACHPC9vAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABgAAAAAAANZnS2kAAAAvSURBVHicY5Szuc"
    "NA"
    "DcBEFVNGDRo1aNSgEWwQ4x05OaoYNPi8NmrQqEGjBg0xgwAvMwKNh0SetwAAAABJRU5ErkJggg==";
// As WebP.
constexpr std::string_view kTurnedWebp =
    "UklGRlwAAABXRUJQVlA4WAoAAAAIAAAAFwAAHwAAVlA4TBwAAAAvF8AHAA9Qjwtx38N3/qOCWDDJX7p/"
    "BBH9z3kcRVhJRhoAAABNTQAqAAAACAABARIA"
    "AwAAAAEABgAAAAAAAA==";
// Two frames, the first of them the halves.
constexpr std::string_view kAnimatedHalves =
    "UklGRpQAAABXRUJQVlA4WAoAAAACAAAAHwAAFwAAQU5JTQYAAAAAAAAAAABBTk1GNgAAAAAAAAAAAB8AABcAAGQAAAJWUDhMHQAAAC8fwAUAD3Ae8X"
    "v4"
    "Xoh7/oMHAoEkf+kFBojofxRrAEFOTUYqAAAAAAAAAAAAHwAAFwAAZAAAAFZQOEwRAAAALx/ABQAHUOQqVKH/gYjofwAA";
// In four inks.
constexpr std::string_view kCmykHalves =
    "/9j/7gAOQWRvYmUAZAAAAAAA/"
    "9sAQwADAgICAgIDAgICAwMDAwQGBAQEBAQIBgYFBgkICgoJCAkJCgwPDAoLDgsJCQ0RDQ4PEBAREAoMEhMSEBMPEBAQ"
    "/8AAFAgAGAAgBEMiAE0RAFkRAEsRAP/EABcAAQEBAQAAAAAAAAAAAAAAAAAJBwj/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADgRDAE0AWQBLAAA/"
    "AO9Q"
    "E+k+lU0BQGoL9C/QDL0BRAUBqC/Q/9k=";

Bytes bytes_of(std::string_view base64) { return *decode_base64(base64); }

constexpr Rgba kRed{220, 30, 30, 255}, kBlue{30, 60, 220, 255};

Paint halves(std::uint32_t width) {
  return [width](std::uint32_t x, std::uint32_t) { return x < width / 2 ? kRed : kBlue; };
}

Rgba at(const Pixels& pixels, std::uint32_t x, std::uint32_t y) {
  const auto* p = &pixels.rgba.at((std::size_t{y} * pixels.size.width + x) * 4);
  return {p[0], p[1], p[2], p[3]};
}

bool close(Rgba a, Rgba b) {
  return std::abs(a.r - b.r) < 12 && std::abs(a.g - b.g) < 12 && std::abs(a.b - b.b) < 12 && a.a == b.a;
}

Pixels decoded(const Bytes& bytes) {
  auto pixels = decode_image(bytes);
  CHECK(pixels.has_value());
  CHECK_EQ(pixels->rgba.size(), std::size_t{pixels->size.width} * pixels->size.height * 4);
  CHECK(std::uint64_t{pixels->size.width} * pixels->size.height <= kDecodedPixels);
  return std::move(*pixels);
}

void check_halves(const Bytes& bytes, ImageSize source) {
  CHECK(image_size(bytes) == source);
  const auto pixels = decoded(bytes);
  CHECK(pixels.source == source);
  const auto [width, height] = pixels.size;
  for (const auto y : {0U, height / 2, height - 1}) {
    CHECK(close(at(pixels, 0, y), kRed));
    CHECK(close(at(pixels, width / 4, y), kRed));
    CHECK(close(at(pixels, width * 3 / 4, y), kBlue));
    CHECK(close(at(pixels, width - 1, y), kBlue));
  }
}

ImageError error_of(std::span<const std::uint8_t> bytes, const ImageLimits& limits = {}) {
  const auto pixels = decode_image(bytes, limits);
  CHECK(!pixels.has_value());
  return pixels.error();
}

std::vector<Bytes> one_of_each() {
  return {png_of({32, 24}, halves(32)),
          png_of({32, 24}, halves(32), true),
          bytes_of(kJpeg),
          bytes_of(kProgressiveJpeg),
          bytes_of(kWebp),
          bytes_of(kLargeWebp)};
}

}  // namespace

TEST(the_format_is_known_by_the_first_bytes_alone) {
  const auto head = [](const Bytes& bytes) { return sniff_image(std::span(bytes).first(kSniffBytes)); };
  CHECK(head(png_of({1, 1}, halves(1))) == ImageFormat::png);
  CHECK(head(bytes_of(kJpeg)) == ImageFormat::jpeg);
  CHECK(head(bytes_of(kWebp)) == ImageFormat::webp);
  CHECK_EQ(media_type(ImageFormat::png), "image/png");
  CHECK_EQ(media_type(ImageFormat::jpeg), "image/jpeg");
  CHECK_EQ(media_type(ImageFormat::webp), "image/webp");
}

TEST(what_only_resembles_an_image_is_not_one) {
  for (const std::string_view text : {"", "\x89PNG", "\x89PNG\n\n\x1a\n1234", "\xff\xd8", "RIFF1234WAVE", "RIFF1234WEB",
                                      "GIF89a123456", "<svg xmlns=''>"}) {
    const Bytes bytes(text.begin(), text.end());
    CHECK(!sniff_image(bytes));
    CHECK(!image_size(bytes));
    CHECK_EQ(error_of(bytes), ImageError::not_an_image);
  }
}

TEST(each_format_decodes_to_its_pixels) {
  check_halves(png_of({32, 24}, halves(32)), {32, 24});
  check_halves(bytes_of(kJpeg), {32, 24});
  check_halves(bytes_of(kProgressiveJpeg), {32, 24});
  check_halves(bytes_of(kWebp), {32, 24});
}

TEST(a_png_keeps_every_pixel_and_its_alpha) {
  const Paint paint = [](std::uint32_t x, std::uint32_t y) {
    return Rgba(std::uint8_t(x * 7), std::uint8_t(y * 11), std::uint8_t(x + y), std::uint8_t(x * y));
  };
  for (const bool interlaced : {false, true}) {
    for (const ImageSize size : {ImageSize{1, 1}, {2, 1}, {1, 5}, {5, 3}, {9, 9}, {33, 17}}) {
      const auto pixels = decoded(png_of(size, paint, interlaced));
      CHECK(pixels.size == size);
      for (std::uint32_t y = 0; y < size.height; ++y) {
        for (std::uint32_t x = 0; x < size.width; ++x) CHECK(at(pixels, x, y) == paint(x, y));
      }
    }
  }
}

TEST(a_large_image_comes_back_small) {
  check_halves(png_of({1024, 768}, halves(1024)), {1024, 768});
  check_halves(png_of({1024, 768}, halves(1024), true), {1024, 768});
  check_halves(bytes_of(kLargeJpeg), {640, 480});
  check_halves(bytes_of(kLargeWebp), {1024, 768});
  CHECK(decoded(png_of({301, 300}, halves(301))).size == (ImageSize{151, 150}));
  CHECK(decoded(bytes_of(kLargeJpeg)).size == (ImageSize{160, 120}));
}

TEST(shrinking_averages_and_ignores_the_colour_of_what_is_transparent) {
  for (const bool interlaced : {false, true}) {
    const auto pixels = decoded(png_of(
        {512, 300},
        [](std::uint32_t x, std::uint32_t) { return x % 2 ? Rgba{200, 100, 0, 255} : Rgba{0, 255, 255, 0}; },
        interlaced));
    CHECK(pixels.size == (ImageSize{256, 150}));
    CHECK(at(pixels, 17, 9) == (Rgba{200, 100, 0, 128}));
  }
}

TEST(a_bomb_is_refused_by_what_it_declares) {
  CHECK_EQ(error_of(png_head({60'000, 60'000}, false)), ImageError::too_large);
  CHECK_EQ(error_of(png_head({16'385, 1}, false)), ImageError::too_large);
  CHECK_EQ(error_of(png_head({1, 16'385}, false)), ImageError::too_large);
  CHECK_EQ(error_of(png_head({0xffff'ffff, 0xffff'ffff}, false)), ImageError::too_large);
  CHECK_EQ(error_of(png_head({4096, 4096}, false)), ImageError::corrupt);  // within the limits, and has no pixels
  CHECK_EQ(error_of(png_head({4097, 4096}, false)), ImageError::too_large);

  auto jpeg = bytes_of(kJpeg);  // height and width follow SOF0, its length and its precision
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) std::fill_n(jpeg.begin() + i + 5, 4, std::uint8_t{0xf0});
  }
  CHECK(image_size(jpeg) == (ImageSize{0xf0f0, 0xf0f0}));
  CHECK_EQ(error_of(jpeg), ImageError::too_large);

  auto webp = bytes_of(kLargeWebp);  // two numbers of 14 bits follow the signature 0x2f
  std::fill_n(webp.begin() + 21, 3, std::uint8_t{0xff});
  webp[24] = 0x0f;
  CHECK(image_size(webp) == (ImageSize{16'384, 16'384}));
  CHECK_EQ(error_of(webp), ImageError::too_large);
}

TEST(the_callers_limits_count) {
  const auto png = png_of({32, 24}, halves(32));
  CHECK_EQ(error_of(png, {.side = 31, .pixels = 1'000'000}), ImageError::too_large);
  CHECK_EQ(error_of(png, {.side = 100, .pixels = 32 * 24 - 1}), ImageError::too_large);
  CHECK(decode_image(png, {.side = 32, .pixels = 32 * 24}).has_value());
}

TEST(an_image_without_width_or_height_has_no_size) {
  CHECK(!image_size(png_head({0, 5}, false)));
  CHECK_EQ(error_of(png_head({5, 0}, false)), ImageError::corrupt);
}

TEST(an_animation_is_its_first_frame_and_four_inks_are_colours) {
  check_halves(bytes_of(kAnimatedHalves), {32, 24});
  check_halves(bytes_of(kCmykHalves), {32, 24});
}

TEST(an_image_is_turned_upright) {
  for (const auto turned : {kTurnedJpeg, kTurnedPng, kTurnedWebp}) {
    const auto bytes = bytes_of(turned);
    CHECK(image_size(bytes) == (ImageSize{24, 32}));
    const auto pixels = decoded(bytes);
    CHECK(pixels.source == (ImageSize{32, 24}));
    CHECK(close(at(pixels, 3, 12), kRed));
    CHECK(close(at(pixels, 28, 12), kBlue));
  }
}

// A PNG of 2 x 3 with the numbers 1 to 6, and what stands first, in the corner and at the end of the first row once it
// is turned.
TEST(each_of_the_eight_orientations_is_undone) {
  struct Turned {
    std::uint8_t orientation, first, end_of_row, last;
  };
  for (const auto& [orientation, first, end_of_row, last] : {Turned{1, 1, 2, 6},
                                                             {2, 2, 1, 5},
                                                             {3, 6, 5, 1},
                                                             {4, 5, 6, 2},
                                                             {5, 1, 5, 6},
                                                             {6, 5, 1, 2},
                                                             {7, 6, 2, 1},
                                                             {8, 2, 6, 5},
                                                             {9, 1, 2, 6}}) {
    const Bytes exif{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0};
    auto png = png_head({2, 3}, false);
    append_chunk(png, "eXIf", exif);
    const auto plain =
        png_of({2, 3}, [](std::uint32_t x, std::uint32_t y) { return Rgba{std::uint8_t(y * 2 + x + 1), 0, 0, 255}; });
    png.insert(png.end(), plain.begin() + 33, plain.end());
    const auto pixels = decoded(png);
    CHECK_EQ(pixels.size, pixels.source);
    CHECK_EQ(pixels.size, orientation >= 5 && orientation <= 8 ? (ImageSize{3, 2}) : (ImageSize{2, 3}));
    CHECK_EQ(at(pixels, 0, 0).r, first);
    CHECK_EQ(at(pixels, pixels.size.width - 1, 0).r, end_of_row);
    CHECK_EQ(at(pixels, pixels.size.width - 1, pixels.size.height - 1).r, last);
  }
}

TEST(a_jpegs_size_is_found_after_its_exif_and_its_pixels_after_stray_bytes) {
  const auto jpeg = bytes_of(kJpeg);
  Bytes odd{0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff};
  odd.resize(odd.size() + 0xfffd, 0xc0);                        // a segment that resembles frames
  odd.insert(odd.end(), {0x12, 0x34, 0xff, 0xff, 0xff, 0xff});  // then stray bytes, then fill
  odd.insert(odd.end(), jpeg.begin() + 3, jpeg.end());
  CHECK(image_size(jpeg) == image_size(odd));
  check_halves(odd, {32, 24});
}

TEST(an_image_without_its_end_is_what_is_there) {
  auto png = png_of({32, 24}, halves(32)), laced = png_of({32, 24}, halves(32), true), jpeg = bytes_of(kJpeg);
  for (auto* each : {&png, &laced}) {
    each->resize(each->size() - 12);
    check_halves(*each, {32, 24});
    each->resize(each->size() * 9 / 10);
    check_halves(*each, {32, 24});
  }
  jpeg.resize(jpeg.size() - 2);
  check_halves(jpeg, {32, 24});
  for (const auto whole : {kLargeJpeg, kLargeWebp}) {
    auto bytes = bytes_of(whole);
    const auto size = *image_size(bytes);
    bytes.resize(bytes.size() * 9 / 10);
    if (whole == kLargeJpeg) check_halves(bytes, size);
    bytes.resize(bytes.size() / 3);
    CHECK_EQ(error_of(bytes), ImageError::corrupt);
  }
}

TEST(an_image_cut_off_anywhere_does_no_harm) {
  auto all = one_of_each();
  for (const auto more : {kTurnedJpeg, kTurnedPng, kTurnedWebp, kAnimatedHalves, kCmykHalves}) {
    all.push_back(bytes_of(more));
  }
  for (const auto& whole : all) {
    CHECK(decode_image(whole).has_value());
    for (std::size_t length = 0; length < whole.size() - 2; ++length) {
      const Bytes cut(whole.begin(), whole.begin() + length);  // its own allocation: a read past it is seen
      const auto pixels = decode_image(cut);
      if (pixels) {
        CHECK_EQ(pixels->rgba.size(), std::size_t{pixels->size.width} * pixels->size.height * 4);
        CHECK(length > whole.size() / 3);
      } else {
        CHECK(pixels.error() == ImageError::corrupt ||
              (pixels.error() == ImageError::not_an_image && length < kSniffBytes));
      }
    }
  }
}

TEST(damaged_images_do_no_harm) {
  std::mt19937 random(2024);
  const ImageLimits limits{.side = 2'048, .pixels = 1 << 20};
  for (const auto& whole : one_of_each()) {
    for (int round = 0; round < 1'500; ++round) {
      auto bytes = whole;
      for (auto flips = 1 + random() % 8; flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<std::uint8_t>(1 + random() % 255);
      }
      if (random() % 4 == 0) bytes.resize(random() % bytes.size());
      const auto pixels = decode_image(bytes, limits);
      if (pixels) CHECK_EQ(pixels->rgba.size(), std::size_t{pixels->size.width} * pixels->size.height * 4);
    }
  }
}

TEST(a_damaged_png_whose_checksums_are_right_does_no_harm) {
  std::mt19937 random(7);
  for (int round = 0; round < 3'000; ++round) {
    Bytes header;
    append(header, 1 + random() % 40);
    append(header, 1 + random() % 40);
    header.insert(header.end(),
                  {std::uint8_t(1 << random() % 5), std::uint8_t(random() % 7), 0, 0, std::uint8_t(random() % 2)});
    Bytes png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, noise(random() % 12'000);
    append_chunk(png, "IHDR", header);
    for (auto& byte : noise) byte = static_cast<std::uint8_t>(random() % 6);  // mostly valid filter types
    if (random() % 4 != 0) append_chunk(png, "PLTE", Bytes(3 * (1 + random() % 256), 77));
    if (random() % 2 == 0) append_chunk(png, "tRNS", Bytes(1 + random() % 8, 3));
    append_chunk(png, "IDAT", stored(noise));
    append_chunk(png, "IEND", {});
    const auto pixels = decode_image(png);
    if (pixels) CHECK_EQ(pixels->rgba.size(), std::size_t{pixels->size.width} * pixels->size.height * 4);
  }
}

TEST(a_drawn_png_is_read_back_as_it_was_drawn) {
  const std::vector<PaletteColour> palette{{255, 0, 0}, {1, 2, 3}, {250, 251, 252}};
  const std::vector<std::uint8_t> places{0, 1, 2, 2, 1, 0};
  const std::string png = encode_png({3, 2}, palette, places);
  const auto pixels = decode_image({reinterpret_cast<const std::uint8_t*>(png.data()), png.size()});
  CHECK(pixels.has_value());
  CHECK_EQ(pixels->size, (ImageSize{3, 2}));
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c) CHECK_EQ(pixels->rgba[i * 4 + c], palette[places[i]][c]);
    CHECK_EQ(pixels->rgba[i * 4 + 3], 255);
  }
}
