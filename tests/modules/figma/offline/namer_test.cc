#include "figma/offline/namer.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "figma/offline/colour_name.h"
#include "support/check.h"
#include "support/png.h"

using namespace plugfleet::test;
using plugfleet::ImageError;
using plugfleet::ImageSize;

namespace {

constexpr Rgba kClear{0, 0, 0, 0}, kWhite{255, 255, 255, 255}, kRed{229, 57, 53, 255}, kNavy{20, 34, 77, 255},
    kGreen{34, 166, 85, 255}, kDark{44, 46, 51, 255};

std::string file(const std::string& name) {
  std::ifstream in("modules/figma/sample/" + name, std::ios::binary);
  CHECK(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string name_of(std::string_view type, std::span<const std::uint8_t> image, std::string_view current = "Frame 1") {
  const auto name = figma::offline_name(type, current, image);
  CHECK(name.has_value());
  return *name;
}

// A box of one colour with corners of this radius, on nothing; `inside` may paint over it.
Bytes box(ImageSize size, float radius, Rgba colour, const Paint& inside = {}) {
  return png_of(size, [=](std::uint32_t x, std::uint32_t y) {
    const float w = size.width / 2.0F, h = size.height / 2.0F;
    const float dx = std::max(0.0F, std::abs(x + 0.5F - w) - (w - radius));
    const float dy = std::max(0.0F, std::abs(y + 0.5F - h) - (h - radius));
    if (dx * dx + dy * dy > radius * radius && radius > 0) return kClear;
    const auto over = inside ? inside(x, y) : kClear;
    return over.a ? over : colour;
  });
}

// Upright strokes, as letters have them, from x to right and y to bottom.
Paint strokes(std::uint32_t left, std::uint32_t right, std::uint32_t top, std::uint32_t bottom, Rgba colour) {
  return [=](std::uint32_t x, std::uint32_t y) {
    return x >= left && x < right && y >= top && y < bottom && x % 6 < 2 ? colour : kClear;
  };
}

}  // namespace

TEST(every_layer_of_the_sample_gets_a_name_that_describes_it) {
  struct Layer {
    std::string_view file, type, current, expected;
  };
  const auto frame = file("frame.json");
  std::set<std::string> seen;
  for (const auto& layer :
       std::initializer_list<Layer>{{"heading.png", "TEXT", "Text 4", "Black Heading"},
                                    {"paragraph.png", "TEXT", "Text 5", "Slate 4-Line Paragraph"},
                                    {"photo.png", "RECTANGLE", "image 5", "Warm Landscape Photo"},
                                    {"button-primary.png", "FRAME", "Frame 427", "Blue Pill Button"},
                                    {"button-secondary.png", "FRAME", "Frame 428", "White Outlined Rounded Button"},
                                    {"icon-heart.png", "VECTOR", "Vector 7", "Red Heart Icon"},
                                    {"icon-search.png", "GROUP", "Group 3", "Grey Search Icon"},
                                    {"avatar.png", "ELLIPSE", "Ellipse 9", "Peach Circle Avatar"},
                                    {"toggle.png", "INSTANCE", "Component 2", "Green Toggle"},
                                    {"divider.png", "LINE", "Line 1", "Pale Grey Horizontal Divider"},
                                    {"card-product.png", "FRAME", "Rectangle 12", "White and Beige Card"},
                                    {"card-revenue.png", "FRAME", "Frame 91", "Navy Card"}}) {
    CHECK_CONTAINS(frame,
                   fmt::format(R"("name": "{}", "type": "{}", "file": "{}")", layer.current, layer.type, layer.file));
    const auto bytes = file(std::string(layer.file));
    const auto name =
        name_of(layer.type, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, layer.current);
    CHECK_EQ(name, layer.expected);
    CHECK(seen.insert(name).second);
  }
}

TEST(plain_shapes_are_called_what_they_are) {
  CHECK_EQ(name_of("ELLIPSE", box({120, 120}, 60, kRed)), "Red Circle");
  CHECK_EQ(name_of("ELLIPSE", box({12, 12}, 6, kGreen)), "Green Dot");
  CHECK_EQ(name_of("RECTANGLE", box({200, 60}, 30, kNavy)), "Navy Pill");
  CHECK_EQ(name_of("RECTANGLE", box({200, 120}, 16, kWhite)), "White Rounded Rectangle");
  CHECK_EQ(name_of("RECTANGLE", box({200, 120}, 0, kGreen)), "Green Rectangle");
  CHECK_EQ(name_of("RECTANGLE", box({120, 120}, 0, kRed)), "Red Square");
  CHECK_EQ(name_of("FRAME", box({300, 260}, 0, kWhite)), "White Panel");
  CHECK_EQ(name_of("RECTANGLE", box({2, 200}, 0, kNavy)), "Navy Vertical Divider");
  CHECK_EQ(name_of("RECTANGLE", box({1200, 300}, 0, kNavy)), "Navy Wide Banner");
  CHECK_EQ(name_of("ELLIPSE", png_of({200, 100},
                                     [](std::uint32_t x, std::uint32_t y) {
                                       return std::hypot((x + 0.5F) / 100 - 1, (y + 0.5F) / 50 - 1) <= 1 ? kRed
                                                                                                         : kClear;
                                     })),
           "Red Oval");
}

TEST(what_stands_on_a_shape_says_what_the_shape_is_for) {
  CHECK_EQ(name_of("FRAME", box({160, 48}, 8, kGreen, strokes(40, 120, 16, 32, kWhite))), "Green Rounded Button");
  CHECK_EQ(name_of("FRAME", box({60, 22}, 11, kRed, strokes(10, 50, 6, 16, kWhite))), "Red Pill Badge");
  CHECK_EQ(name_of("FRAME", box({280, 48}, 8, kWhite, strokes(12, 100, 16, 32, kDark))), "White Rounded Field");
  CHECK_EQ(name_of("FRAME", box({300, 200}, 12, kNavy, strokes(20, 200, 40, 60, kWhite))), "Navy Card");
  CHECK_EQ(name_of("FRAME", box({48, 48}, 24, kRed, strokes(14, 34, 14, 34, kWhite))), "Red Circle Icon");
}

TEST(text_is_named_by_its_own_colour_its_size_and_its_lines) {
  const auto on_white = [](std::uint32_t x, std::uint32_t y) {
    const auto ink = strokes(0, 200, 0, 10, kRed)(x, y);
    return ink.a ? ink : kWhite;
  };
  CHECK_EQ(name_of("TEXT", png_of({200, 12}, strokes(0, 200, 0, 12, kDark))), "Charcoal Text Line");
  CHECK_EQ(name_of("TEXT", png_of({200, 40}, strokes(0, 200, 0, 36, kNavy))), "Navy Heading");
  CHECK_EQ(name_of("TEXT", png_of({200, 14}, on_white)), "Red Text Line");
  CHECK_EQ(name_of("GROUP", png_of({200, 14}, on_white)), "Red Text Line");  // known without the type
  CHECK_EQ(
      name_of("TEXT", png_of({200, 60}, [](std::uint32_t x,
                                           std::uint32_t y) { return y % 20 < 12 && x % 6 < 2 ? kDark : kClear; })),
      "Charcoal 3-Line Paragraph");
}

TEST(gradients_and_translucence_are_seen) {
  CHECK_EQ(name_of("RECTANGLE", png_of({256, 256},
                                       [](std::uint32_t x, std::uint32_t) {
                                         return Rgba{std::uint8_t(20 + x / 4), std::uint8_t(60 + x / 3),
                                                     std::uint8_t(150 + x / 3), 255};
                                       })),
           "Blue and Indigo Gradient Square");
  CHECK_EQ(name_of("RECTANGLE", box({200, 120}, 0, {20, 34, 77, 140})), "Translucent Navy Rectangle");
  CHECK_EQ(name_of("RECTANGLE", box({200, 120}, 16, {229, 57, 53, 60})), "Translucent Red Rounded Rectangle");
  CHECK_EQ(name_of("FRAME", png_of({50, 50}, [](auto, auto) { return kClear; })), "Empty Frame");
}

TEST(noise_is_a_photo_and_its_tone_and_format_are_told) {
  std::mt19937 random(3);
  const auto photo = [&](ImageSize size, int red, int green, int blue) {
    return png_of(size, [&, size](std::uint32_t, std::uint32_t y) {
      const int light = static_cast<int>(y * 120 / size.height) + static_cast<int>(random() % 60);
      const auto channel = [light](int c) { return static_cast<std::uint8_t>(std::clamp(c + light, 0, 255)); };
      return Rgba{channel(red), channel(green), channel(blue), 255};
    });
  };
  CHECK_EQ(name_of("RECTANGLE", photo({240, 160}, 100, 50, 10)), "Warm Landscape Photo");
  CHECK_EQ(name_of("RECTANGLE", photo({160, 240}, 10, 60, 110)), "Cool Portrait Photo");
  CHECK_EQ(name_of("RECTANGLE", photo({200, 200}, 60, 60, 60)), "Neutral Square Photo");
}

TEST(a_name_that_says_what_the_layer_is_for_is_heard) {
  const auto image = box({200, 60}, 30, kNavy);
  CHECK_EQ(name_of("RECTANGLE", image, "btn / primary"), "Navy Pill Button");
  CHECK_EQ(name_of("RECTANGLE", image, "Search-INPUT 3"), "Navy Pill Field");
  CHECK_EQ(name_of("RECTANGLE", image, "Rectangle 12"), "Navy Pill");
  CHECK_EQ(name_of("RECTANGLE", image, "cardinal stage"), "Navy Pill");  // whole words only
}

TEST(margins_and_the_ground_around_change_no_name) {
  const auto button = [](Rgba ground, std::uint32_t margin) {
    return png_of({160 + 2 * margin, 48 + 2 * margin}, [=](std::uint32_t x, std::uint32_t y) {
      const float dx = std::max(0.0F, std::abs(x + 0.5F - 80 - margin) - 56);
      const float dy = std::max(0.0F, std::abs(y + 0.5F - 24 - margin));
      if (std::hypot(dx, dy) > 24 || dy > 24) return ground;
      const auto over = strokes(margin + 40, margin + 120, margin + 16, margin + 32, kWhite)(x, y);
      return over.a ? over : kGreen;
    });
  };
  for (const auto ground : {kClear, kWhite, Rgba{243, 244, 246, 255}, Rgba{18, 18, 20, 255}}) {
    for (const std::uint32_t margin : {0U, 6U, 16U, 40U}) {
      CHECK_EQ(name_of("FRAME", button(ground, margin)), "Green Pill Button");
    }
  }
}

TEST(signs_are_known_on_any_ground) {
  const auto sign = [](std::uint32_t x, std::uint32_t y, std::string_view what) {
    if (x < 8 || y < 8 || x >= 40 || y >= 40) return false;
    const int u = int(x) - 8, v = int(y) - 8;
    if (what == "Menu Icon") return v % 13 < 4;
    if (what == "Close Icon") return std::abs(u - v) < 3 || std::abs(u + v - 31) < 3;
    if (what == "Plus Icon") return std::abs(u - 15) < 3 || std::abs(v - 15) < 3;
    return what == "Arrow Icon" && (std::abs(v - 15) < 3 || (u >= 15 && std::abs(std::abs(v - 15) - (31 - u)) < 3));
  };
  for (const auto ground : {kClear, kWhite, kNavy}) {
    for (const std::string_view what : {"Menu Icon", "Close Icon", "Plus Icon", "Arrow Icon"}) {
      const auto picture =
          png_of({48, 48}, [&](std::uint32_t x, std::uint32_t y) { return sign(x, y, what) ? kRed : ground; });
      CHECK_EQ(name_of("VECTOR", picture), fmt::format("Red {}", what));
    }
  }
}

TEST(compression_s_noise_and_mixed_edges_change_no_name) {
  // A white field with a pale hairline whose corners are half mixed with white, on white: nothing else parts them.
  const auto field = [](int noise) {
    std::mt19937 random(5);
    return png_of({280, 40}, [=](std::uint32_t x, std::uint32_t y) mutable {
      const bool corner = (x < 8 || x >= 272) && (y < 8 || y >= 32);
      const float dx = std::max(0.0F, std::abs(x + 0.5F - 140) - 132),
                  dy = std::max(0.0F, std::abs(y + 0.5F - 20) - 12);
      const float off = std::abs(std::hypot(dx, dy) - 7.5F);
      const bool side = !corner && (x == 0 || x == 279 || y == 0 || y == 39);
      const float ink = side ? 1 : corner ? std::clamp(1 - off, 0.0F, 1.0F) : 0;
      const auto text = strokes(14, 100, 14, 26, kDark)(x, y);
      const int shade = text.a ? 50 : static_cast<int>(255 - 47 * ink) - static_cast<int>(random() % (noise + 1));
      const auto channel = static_cast<std::uint8_t>(shade);
      return Rgba{channel, channel, channel, 255};
    });
  };
  CHECK_EQ(name_of("FRAME", field(0)), "White Outlined Rounded Field");
  CHECK_EQ(name_of("FRAME", field(5)), "White Outlined Rounded Field");

  // A dark fringe around a button on a dark ground is not an outline.
  const auto button = [](int fringe) {
    return png_of({140, 60}, [=](std::uint32_t x, std::uint32_t y) {
      const float dx = std::max(0.0F, std::abs(x + 0.5F - 70) - 52), dy = std::max(0.0F, std::abs(y + 0.5F - 30) - 12);
      const auto within = [&](int by) { return std::hypot(dx, dy) <= 8 + by; };
      if (within(0)) return strokes(40, 100, 24, 36, kWhite)(x, y).a ? kWhite : kRed;
      return within(fringe) ? Rgba{150, 40, 40, 255} : kDark;
    });
  };
  CHECK_EQ(name_of("FRAME", button(0)), "Red Rounded Button");
  CHECK_EQ(name_of("FRAME", button(1)), "Red Rounded Button");
}

TEST(what_encloses_the_ground_is_named_as_if_the_ground_were_clear) {
  const auto ring = [](Rgba ground) {
    return png_of({120, 120}, [=](std::uint32_t x, std::uint32_t y) {
      const float off = std::hypot(x + 0.5F - 60, y + 0.5F - 60);
      return off > 58 || off < 30 ? ground : x < 80 ? kRed : kGreen;
    });
  };
  const auto house = [](Rgba ground) {
    return png_of({48, 48}, [=](std::uint32_t x, std::uint32_t y) {
      const int roof = std::abs(static_cast<int>(x) - 24) + 6, high = static_cast<int>(y);
      const bool walls = x >= 10 && x < 38 && high >= roof && y < 42;
      return walls && (x < 14 || x >= 34 || high < roof + 5 || y >= 38) ? kDark : ground;
    });
  };
  for (const auto ground : {kWhite, Rgba{243, 244, 246, 255}}) {
    CHECK_EQ(name_of("GROUP", ring(ground)), name_of("GROUP", ring(kClear)));
    CHECK_EQ(name_of("FRAME", house(ground)), name_of("FRAME", house(kClear)));
  }
}

TEST(what_is_no_image_is_an_error_and_names_nothing) {
  CHECK(figma::offline_name("FRAME", "x", {}).error() == ImageError::not_an_image);
  auto cut = box({20, 20}, 0, kRed);
  cut.resize(cut.size() / 2);
  CHECK(figma::offline_name("FRAME", "x", cut).error() == ImageError::corrupt);
}

TEST(whatever_the_picture_the_name_is_short_ascii_and_the_same_again) {
  std::mt19937 random(11);
  for (int round = 0; round < 250; ++round) {
    const ImageSize size{1 + std::uint32_t(random() % (round % 3 ? 24 : 500)), 1 + std::uint32_t(random() % 90)};
    const auto coarse = 1 + random() % 30;
    std::vector<Rgba> palette(1 + random() % 9);
    for (auto& [r, g, b, a] : palette) {
      for (auto* channel : {&r, &g, &b, &a}) *channel = static_cast<std::uint8_t>(random());
      if (random() % 2) a = 255;
    }
    const auto image = png_of(size, [&](std::uint32_t x, std::uint32_t y) {
      return palette[(x / coarse * 131 + y / coarse) % palette.size()];
    });
    for (const auto type : {"FRAME", "TEXT", "ELLIPSE", "LINE", "VECTOR", "STICKY", ""}) {
      const auto name = name_of(type, image);
      CHECK(!name.empty() && name.size() <= figma::kNameMax);
      CHECK(std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == ' ' || c == '-'; }));
      CHECK_EQ(name_of(type, image), name);
    }
  }
}

TEST(colours_have_the_names_people_give_them) {
  const auto named = [](int r, int g, int b) {
    return figma::colour_name(
        figma::nearest_colour(figma::to_oklab(std::uint8_t(r), std::uint8_t(g), std::uint8_t(b))));
  };
  CHECK_EQ(named(0, 0, 0), "Black");
  CHECK_EQ(named(255, 255, 255), "White");
  CHECK_EQ(named(128, 128, 128), "Grey");
  CHECK_EQ(named(255, 0, 0), "Red");
  CHECK_EQ(named(37, 99, 235), "Blue");
  CHECK_EQ(named(255, 165, 0), "Amber");
  CHECK_EQ(named(255, 235, 59), "Yellow");
  CHECK_EQ(named(139, 69, 19), "Brown");
  CHECK_EQ(named(0, 128, 128), "Teal");
  CHECK_EQ(named(128, 0, 128), "Purple");
  CHECK_EQ(named(255, 192, 203), "Pink");
  CHECK_EQ(named(0, 0, 128), "Navy");
}

TEST(noise_changes_the_name_of_no_colour_that_interfaces_are_made_of) {
  // Tailwind's greys, Figma's own and some of their tints and accents.
  for (const int rgb : {0xf9fafb, 0xe5e7eb, 0xd1d5db, 0x9ca3af, 0x6b7280, 0x4b5563, 0x374151, 0x1f2937, 0x111827,
                        0xe2e8f0, 0xcbd5e1, 0x94a3b8, 0x64748b, 0x475569, 0x334155, 0x0f172a, 0xd9d9d9, 0xffffff,
                        0xfee2e2, 0xdcfce7, 0xdbeafe, 0xede9fe, 0xef4444, 0xe11d48, 0x16a34a, 0x2563eb, 0x7c3aed}) {
    std::set<std::size_t> names;
    for (int noise = 0; noise < 27; ++noise) {
      const auto channel = [&](int shift, int step) {
        return static_cast<std::uint8_t>(std::clamp((rgb >> shift & 255) + 2 * (step % 3 - 1), 0, 255));
      };
      names.insert(
          figma::nearest_colour(figma::to_oklab(channel(16, noise), channel(8, noise / 3), channel(0, noise / 9))));
    }
    CHECK_EQ(names.size(), 1U);
  }
}
