#include "figma/offline/colour_name.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace figma {
namespace {

struct Named {
  std::string_view name;
  std::uint32_t rgb;
};

constexpr std::array<Named, kColourNames> kPalette{{
    {"Black", 0x0a0a0c},   {"Charcoal", 0x2c2e33},  {"Slate", 0x475569},    {"Grey", 0x7d8087},
    {"Silver", 0xbfc3ca},  {"Pale Grey", 0xe2e4e9}, {"White", 0xffffff},    {"Cream", 0xfff1d6},
    {"Beige", 0xeed5bb},   {"Tan", 0xcda27c},       {"Brown", 0x7a4a2b},    {"Maroon", 0x6b1220},
    {"Crimson", 0xbe123c}, {"Red", 0xe53935},       {"Coral", 0xff7f66},    {"Rose", 0xe8577e},
    {"Pink", 0xf9b4d4},    {"Magenta", 0xd61fa8},   {"Plum", 0x5b2150},     {"Mauve", 0x9c7088},
    {"Orange", 0xf97316},  {"Peach", 0xfdbb8c},     {"Amber", 0xf5a60b},    {"Gold", 0xc9992e},
    {"Yellow", 0xfde047},  {"Lime", 0xa3e635},      {"Olive", 0x6b7030},    {"Green", 0x22a655},
    {"Forest", 0x14532d},  {"Mint", 0xb5f0d3},      {"Teal", 0x14908c},     {"Turquoise", 0x2dd4cf},
    {"Sky", 0x7cc8fa},     {"Blue", 0x2f6df0},      {"Navy", 0x14224d},     {"Indigo", 0x4338ca},
    {"Violet", 0x8b5cf6},  {"Purple", 0x7f1fb0},    {"Lavender", 0xcdbcfb}, {"Ice", 0xdbeafe},
}};

// More of what bears a name. Interfaces are made of few colours (Figma's own, Tailwind's, Material's): each of those
// lies well inside one name, so that compression's noise does not change it.
struct Shade {
  std::uint32_t rgb;
  std::string_view name;
};
constexpr auto kShades = std::to_array<Shade>({
    {0x131518, "Black"},  {0x25272a, "Charcoal"}, {0x1e293b, "Charcoal"},  {0x303335, "Charcoal"},
    {0x3d4045, "Slate"},  {0x515459, "Slate"},    {0x5f6267, "Grey"},      {0x6f7277, "Grey"},
    {0x9fa2a7, "Grey"},   {0xc8cbd0, "Silver"},   {0xd2d5da, "Pale Grey"}, {0xe9ecef, "Pale Grey"},
    {0xf4f5f7, "White"},  {0xfee2e2, "Pink"},     {0xfecaca, "Pink"},      {0xfce7f3, "Pink"},
    {0xdcfce7, "Mint"},   {0xede9fe, "Lavender"}, {0xddd6fe, "Lavender"},  {0xc7d2fe, "Lavender"},
    {0xbfdbfe, "Ice"},    {0xe0f2fe, "Ice"},      {0xfef3c7, "Cream"},     {0x93c5fd, "Sky"},
    {0x6366f1, "Indigo"}, {0x0284c7, "Blue"},     {0xdb2777, "Rose"},      {0xf43f5e, "Rose"},
    {0x059669, "Green"},  {0xea580c, "Orange"},   {0x15803d, "Green"},     {0xef4444, "Red"},
    {0x0ea5e9, "Sky"},    {0x74abd6, "Sky"},      {0x0891b2, "Teal"},      {0xeff6ff, "White"},
    {0xe11d48, "Red"},
});

float linear(std::uint8_t channel) {  // IEC 61966-2-1, sRGB
  static const auto table = [] {
    std::array<float, 256> values;
    for (int i = 0; i < 256; ++i) {
      const float c = static_cast<float>(i) / 255.0F;
      values[i] = c <= 0.04045F ? c / 12.92F : std::pow((c + 0.055F) / 1.055F, 2.4F);
    }
    return values;
  }();
  return table[channel];
}

}  // namespace

Oklab to_oklab(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  const float r = linear(red), g = linear(green), b = linear(blue);
  const float l = std::cbrt(0.4122214708F * r + 0.5363325363F * g + 0.0514459929F * b);
  const float m = std::cbrt(0.2119034982F * r + 0.6806995451F * g + 0.1073969566F * b);
  const float s = std::cbrt(0.0883024619F * r + 0.2817188376F * g + 0.6299787005F * b);
  return {0.2104542553F * l + 0.7936177850F * m - 0.0040720468F * s,
          1.9779984951F * l - 2.4285922050F * m + 0.4505937099F * s,
          0.0259040371F * l + 0.7827717662F * m - 0.8086757660F * s};
}

float distance(const Oklab& one, const Oklab& other) {
  return std::hypot(one.lightness - other.lightness, one.a - other.a, one.b - other.b);
}

std::size_t nearest_colour(const Oklab& colour) {
  struct Known {
    Oklab colour;
    std::size_t name;
  };
  static const auto known = [] {
    const auto of = [](std::uint32_t rgb) {
      return to_oklab(static_cast<std::uint8_t>(rgb >> 16), static_cast<std::uint8_t>(rgb >> 8),
                      static_cast<std::uint8_t>(rgb));
    };
    std::vector<Known> all;
    all.reserve(kColourNames + std::size(kShades));
    for (std::size_t i = 0; i < kColourNames; ++i) all.push_back({of(kPalette[i].rgb), i});
    for (const auto& [rgb, name] : kShades) {
      const auto named = std::ranges::find(kPalette, name, &Named::name);
      all.push_back({of(rgb), static_cast<std::size_t>(named - kPalette.begin())});
    }
    return all;
  }();
  std::size_t best = 0;
  float least = 10;
  for (const auto& [other, name] : known) {
    const float dl = colour.lightness - other.lightness, da = colour.a - other.a, db = colour.b - other.b;
    if (const float apart = dl * dl + da * da + db * db; apart < least) least = apart, best = name;
  }
  return best;
}

std::string_view colour_name(std::size_t index) { return kPalette[index].name; }
std::uint32_t colour_value(std::size_t index) { return kPalette[index].rgb; }

}  // namespace figma
