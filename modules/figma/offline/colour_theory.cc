#include "figma/offline/colour_theory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "figma/offline/colour_name.h"

namespace figma {
namespace {

constexpr double kDegree = std::numbers::pi / 180;

double wrap(double hue) { return hue - 360 * std::floor(hue / 360); }

std::array<double, 3> to_linear(Oklch c) {
  const double a = c.chroma * std::cos(c.hue * kDegree), b = c.chroma * std::sin(c.hue * kDegree);
  const auto cube = [](double root) { return root * root * root; };
  const double l = cube(c.lightness + 0.3963377774 * a + 0.2158037573 * b);
  const double m = cube(c.lightness - 0.1055613458 * a - 0.0638541728 * b);
  const double s = cube(c.lightness - 0.0894841775 * a - 1.2914855480 * b);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

bool fits(Oklch colour) {
  return std::ranges::all_of(to_linear(colour), [](double channel) { return channel > -1e-4 && channel < 1 + 1e-4; });
}

double most_chroma(double lightness, double hue) {
  double least = 0, most = 0.4;
  for (int i = 0; i < 14; ++i) {
    const double middle = (least + most) / 2;
    (fits({lightness, middle, hue}) ? least : most) = middle;
  }
  return least;
}

double most_vivid_lightness(double hue) {
  double best = 0.5, most = 0;
  for (double lightness = 0.3; lightness < 0.95; lightness += 0.03) {
    if (const double chroma = most_chroma(lightness, hue); chroma > most) most = chroma, best = lightness;
  }
  return best;
}

double luminance(Rgb colour) {
  const auto linear = [](std::uint8_t channel) {
    const double c = channel / 255.0;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
}

}  // namespace

std::string hex(Rgb colour) { return fmt::format("#{:02X}{:02X}{:02X}", colour.red, colour.green, colour.blue); }

Oklch to_oklch(Rgb colour) {
  const Oklab lab = to_oklab(colour.red, colour.green, colour.blue);
  return {lab.lightness, std::hypot(lab.a, lab.b), wrap(std::atan2(lab.b, lab.a) / kDegree)};
}

Rgb to_rgb(Oklch colour) {
  colour.lightness = std::clamp(colour.lightness, 0.0, 1.0);
  if (!fits(colour)) colour.chroma = std::min(colour.chroma, most_chroma(colour.lightness, colour.hue));
  std::array<std::uint8_t, 3> bytes{};
  std::ranges::transform(to_linear(colour), bytes.begin(), [](double c) {
    c = std::clamp(c, 0.0, 1.0);
    c = c <= 0.0031308 ? 12.92 * c : 1.055 * std::pow(c, 1 / 2.4) - 0.055;
    return static_cast<std::uint8_t>(std::lround(255 * c));
  });
  return {bytes[0], bytes[1], bytes[2]};
}

Rgb with_hue(Rgb colour, double hue) {
  const Oklch from = to_oklch(colour);
  hue = wrap(hue);
  const double vivid = std::min(1.0, from.chroma / std::max(0.01, most_chroma(from.lightness, from.hue)));
  const double pull = std::min(1.0, from.chroma / 0.15);  // a grey keeps its lightness, a strong colour need not
  const double lightness = std::lerp(from.lightness, most_vivid_lightness(hue), 0.9 * pull);
  const double chroma = std::min(vivid * most_chroma(lightness, hue), std::max(from.chroma, 0.2 * pull));
  return to_rgb({lightness, chroma, hue});
}

double contrast(Rgb one, Rgb other) {
  const double a = luminance(one), b = luminance(other);
  return (std::max(a, b) + 0.05) / (std::min(a, b) + 0.05);
}

Rgb readable(Rgb colour, std::span<const Rgb> grounds, double ratio) {
  const auto worst = [](Rgb ink, std::span<const Rgb> on) {
    double least = 21;
    for (const Rgb ground : on) least = std::min(least, contrast(ink, ground));
    return least;
  };
  const Oklch from = to_oklch(colour);
  for (const auto on : {grounds, grounds.first(std::min<std::size_t>(1, grounds.size()))}) {
    if (worst(colour, on) >= ratio) return colour;
    for (double step = 0.01; step <= 1; step += 0.01) {
      for (const double lightness : {from.lightness - step, from.lightness + step}) {
        if (lightness < 0 || lightness > 1) continue;
        const Rgb ink = to_rgb({lightness, from.chroma, from.hue});
        if (worst(ink, on) >= ratio) return ink;
      }
    }
  }
  const Rgb black{0, 0, 0}, white{255, 255, 255};
  return contrast(black, grounds[0]) > contrast(white, grounds[0]) ? black : white;
}

double hue_apart(double one, double other) {
  const double apart = std::abs(wrap(one) - wrap(other));
  return std::min(apart, 360 - apart);
}

}  // namespace figma
