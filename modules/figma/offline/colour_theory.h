// Colours as a designer reckons with them: harmony in OKLCH, where a step of hue or lightness looks the same all round
// (Ottosson, bottosson.github.io/posts/oklab, 2020), and contrast as WCAG 2.2 defines it (w3.org/TR/WCAG22, "contrast
// ratio" and "relative luminance"). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace figma {

struct Rgb {
  std::uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const Rgb&) const = default;
};

std::string hex(Rgb colour);  // "#RRGGBB"

struct Oklch {
  double lightness = 0;  // 0 black to 1 white
  double chroma = 0;     // 0 grey to about 0.3
  double hue = 0;        // degrees
};

Oklch to_oklch(Rgb colour);
Rgb to_rgb(Oklch colour);  // sRGB's nearest: chroma is lowered until it fits

// Another hue as vivid as this colour is, at a lightness where that hue has chroma to offer (yellow is never dark).
Rgb with_hue(Rgb colour, double hue);

double contrast(Rgb one, Rgb other);  // 1 to 21

// The colour nearest in lightness that has this contrast against each ground; where there is none, against the first
// alone; black or white where that has none either.
Rgb readable(Rgb colour, std::span<const Rgb> grounds, double ratio);

double hue_apart(double one, double other);  // 0 to 180

}  // namespace figma
