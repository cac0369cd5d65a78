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
// Two frames of 8 x 8.
constexpr std::string_view kAnimatedWebp =
    "UklGRoQAAABXRUJQVlA4WAoAAAACAAAABwAABwAAQU5JTQYAAAD/////AABBTk1GKAAAAAAAAAAAAAcAAAcAAGQAAABWUDhMDwAAAC8HwAEABxD9"
    "j/4HIqL/AQBBTk1GKAAAAAAAAAAAAAcAAAcAAGQAAABWUDhMDwAAAC8HwAEABxDR//4HIqL/AQA=";
// 16 x 16, four inks.
constexpr std::string_view kCmykJpeg =
    "/9j/7gAOQWRvYmUAZAAAAAAC/9sAQwAGBAUGBQQGBgUGBwcGCAoQCgoJCQoUDg8MEBcUGBgXFBYWGh0lHxobIxwWFiAsICMmJykqKRkfLTAtKDAl"
    "KCko/9sAQwEHBwcKCAoTCgoTKBoWGigoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo/8AAFAgAEAAQBAER"
    "AAIRAQMRAQQRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQy"
    "gZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeY"
    "mZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/EAB8BAAMBAQEBAQEBAQEAAAAAAAABAgME"
    "BQYHCAkKC//EALURAAIBAgQEAwQHBQQEAAECdwABAgMRBAUhMQYSQVEHYXETIjKBCBRCkaGxwQkjM1LwFWJy0QoWJDThJfEXGBkaJicoKSo1Njc4"
    "OTpDREVGR0hJSlNUVVZXWFlaY2RlZmdoaWpzdHV2d3h5eoKDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW"
    "19jZ2uLj5OXm5+jp6vLz9PX29/j5+v/aAA4EAQACEQMRBAAAPwBKACigAooAKKACv//Z";

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

TEST(what_we_do_not_draw_is_called_unsupported) {
  CHECK_EQ(error_of(bytes_of(kAnimatedWebp)), ImageError::unsupported);
  CHECK_EQ(error_of(bytes_of(kCmykJpeg)), ImageError::unsupported);
}

TEST(an_image_cut_off_anywhere_is_an_error) {
  for (const auto& whole : one_of_each()) {
    CHECK(decode_image(whole).has_value());
    for (std::size_t length = 0; length < whole.size() - 2; ++length) {
      const Bytes cut(whole.begin(), whole.begin() + length);  // its own allocation: a read past it is seen
      const auto error = error_of(cut);
      CHECK(error == ImageError::corrupt || (error == ImageError::not_an_image && length < kSniffBytes));
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
