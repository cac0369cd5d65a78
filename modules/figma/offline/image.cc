#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "base/text.h"
#include "figma/colour_text.h"
#include "figma/offline/colour_name.h"
#include "figma/offline/colour_theory.h"
#include "figma/offline/edits.h"
#include "wire/image.h"

// A picture is one number a pixel, an index into a palette that runs through the prompt's colours: so it compresses to
// little, and quickly.

namespace figma {
namespace {

using plugfleet::ImageSize;

constexpr double kSideMin = 16, kSideMax = 1024;
constexpr int kShades = 256;

enum class Form { linear, radial, blobs, stripes, dots, waves, portrait };

struct FormWord {
  std::string_view word;
  Form form;
};
constexpr auto kFormWords = std::to_array<FormWord>({{"avatar", Form::portrait},
                                                     {"portrait", Form::portrait},
                                                     {"person", Form::portrait},
                                                     {"landscape", Form::waves},
                                                     {"waves", Form::waves},
                                                     {"sea", Form::waves},
                                                     {"mountains", Form::waves},
                                                     {"hills", Form::waves},
                                                     {"stripes", Form::stripes},
                                                     {"striped", Form::stripes},
                                                     {"dots", Form::dots},
                                                     {"dotted", Form::dots},
                                                     {"radial", Form::radial},
                                                     {"glow", Form::radial},
                                                     {"gradient", Form::linear},
                                                     {"abstract", Form::blobs},
                                                     {"soft", Form::blobs}});

// "Navy" where the word is "navy".
std::optional<Rgb> colour_called(std::string_view word) {
  if (word == "gray") word = "grey";
  for (std::size_t i = 0; i < kColourNames; ++i) {
    const auto same = [](char lower, char given) { return lower == plugfleet::lower(given); };
    if (!std::ranges::equal(word, colour_name(i), same)) continue;
    const std::uint32_t rgb = colour_value(i);
    return Rgb{static_cast<std::uint8_t>(rgb >> 16), static_cast<std::uint8_t>(rgb >> 8),
               static_cast<std::uint8_t>(rgb)};
  }
  return std::nullopt;
}

std::uint64_t stirred(std::uint64_t z) {  // splitmix64
  z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9U;
  z = (z ^ z >> 27) * 0x94d0'49bb'1331'11ebU;
  return z ^ z >> 31;
}

struct Wish {
  std::vector<Rgb> colours;  // two to four
  Form form = Form::linear;
  std::uint64_t seed = 0;
};

Wish read_wish(std::string_view prompt) {
  Wish wish{.seed = 14'695'981'039'346'656'037U};
  for (const char c : prompt) wish.seed = (wish.seed ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;  // FNV-1a
  wish.seed = stirred(wish.seed);
  const Form any[] = {Form::linear, Form::radial, Form::blobs, Form::stripes, Form::dots, Form::waves};
  wish.form = any[wish.seed % std::size(any)];
  bool told = false, by_code = false;
  std::vector<Rgb> by_word;
  const auto add = [](std::vector<Rgb>& to, Rgb colour) {
    if (to.size() < 4 && std::ranges::find(to, colour) == to.end()) to.push_back(colour);
  };
  std::string word;
  for (std::size_t i = 0; i <= prompt.size(); ++i) {
    if (i < prompt.size() && prompt[i] == '#') {
      if (const auto colour = read_colour(prompt.substr(i, 7))) add(wish.colours, colour->rgb), by_code = true;
    }
    if (i < prompt.size() && std::isalpha(static_cast<unsigned char>(prompt[i]))) {
      if (word.size() < 16) word += plugfleet::lower(prompt[i]);
      continue;
    }
    if (const auto colour = colour_called(word)) add(by_word, *colour);
    const auto form = std::ranges::find(kFormWords, word, &FormWord::word);
    if (form != kFormWords.end() && !told) wish.form = form->form, told = true;
    word.clear();
  }
  if (!by_code) wish.colours = by_word;
  const double hue = static_cast<double>(wish.seed >> 8 & 0xffff) / 65'536 * 360;
  if (wish.colours.empty()) wish.colours = {to_rgb({0.62, 0.17, hue}), to_rgb({0.86, 0.09, hue + 50})};
  if (wish.colours.size() == 1) {
    const Oklch only = to_oklch(wish.colours[0]);
    const double apart = only.lightness > 0.55 ? -0.3 : 0.3;
    wish.colours.push_back(to_rgb({only.lightness + apart, std::max(only.chroma, 0.05), only.hue + 40}));
  }
  return wish;
}

// Through the colours, evenly, as Oklab mixes them: no greys between two strong colours that lie apart.
std::vector<std::array<std::uint8_t, 3>> palette_of(const std::vector<Rgb>& colours) {
  std::vector<std::array<std::uint8_t, 3>> palette(kShades);
  for (int i = 0; i < kShades; ++i) {
    const double at = static_cast<double>(i) / (kShades - 1) * static_cast<double>(colours.size() - 1);
    const auto left = std::min(static_cast<std::size_t>(at), colours.size() - 2);
    const double part = at - static_cast<double>(left);
    const Oklch a = to_oklch(colours[left]), b = to_oklch(colours[left + 1]);
    const double radians = std::numbers::pi / 180;
    const double x = std::lerp(a.chroma * std::cos(a.hue * radians), b.chroma * std::cos(b.hue * radians), part);
    const double y = std::lerp(a.chroma * std::sin(a.hue * radians), b.chroma * std::sin(b.hue * radians), part);
    const Rgb mixed = to_rgb({std::lerp(a.lightness, b.lightness, part), std::hypot(x, y), std::atan2(y, x) / radians});
    palette[std::size_t(i)] = {mixed.red, mixed.green, mixed.blue};
  }
  return palette;
}

float mixed(float a, float b, float part) { return a + (b - a) * part; }

// A picture's brush: x and y in units of the longer side; 0 to 1 for the first colour to the last.
class Canvas {
 public:
  Canvas(const Wish& wish, ImageSize size) : form_(wish.form), seed_(wish.seed) {
    const double longest = std::max(size.width, size.height);
    width_ = static_cast<float>(size.width / longest), height_ = static_cast<float>(size.height / longest);
    const float turn = 0.25F * std::numbers::pi_v<float> * (0.6F + 1.2F * chance());
    const float cos = std::cos(turn), sin = std::sin(turn), across = width_ * cos + height_ * sin;
    slope_x_ = cos / across, slope_y_ = sin / across;
    for (Spot& spot : spots_) {
      const float x = chance() * width_, y = chance() * height_, radius = 0.18F + 0.3F * chance();
      spot = {x, y, 1 / (radius * radius)};
    }
    if (form_ == Form::waves) raise_hills(size.width);
  }

  float at(std::uint32_t column, float x, float y) const {
    const float along = x * slope_x_ + y * slope_y_;
    switch (form_) {
      case Form::linear:
        return along;
      case Form::radial:
        return away(x - 0.35F * width_, y - 0.3F * height_) / (0.85F * away(width_, height_));
      case Form::blobs:
        return blobs(x, y);
      case Form::stripes:
        return static_cast<int>(along * 9) % 2 == 0 ? 0.15F + 0.35F * along : 0.5F + 0.4F * along;
      case Form::dots:
        return dots(x, y, along);
      case Form::waves:
        return waves(column, x, y);
      case Form::portrait:
        return portrait(x, y);
    }
    return along;
  }

 private:
  struct Spot {
    float x, y, tightness;
  };
  static constexpr std::size_t kHills = 4;

  float chance() {  // 0 to 1, the next of the seed's
    seed_ += 0x9e37'79b9'7f4a'7c15U;
    return static_cast<float>(stirred(seed_) >> 40) / 16'777'216.0F;
  }

  static float away(float x, float y) { return std::sqrt(x * x + y * y); }

  float blobs(float x, float y) const {
    float tone = 0.15F + 0.35F * y, weight = 0.62F;
    for (const Spot& spot : spots_) {
      const float dx = x - spot.x, dy = y - spot.y, fall = 1 + (dx * dx + dy * dy) * spot.tightness;
      tone += weight / (fall * fall);
      weight = -0.8F * weight;
    }
    return tone;
  }

  static float dots(float x, float y, float along) {
    constexpr float kStep = 1.0F / 14;
    const int row = static_cast<int>(y / kStep);
    const float shifted = x + (row % 2 != 0 ? kStep / 2 : 0);
    const float dx = shifted - kStep * (static_cast<float>(static_cast<int>(shifted / kStep)) + 0.5F);
    const float dy = y - kStep * (static_cast<float>(row) + 0.5F);
    const float edge = away(dx, dy) - kStep * (0.14F + 0.24F * along);
    return mixed(0.12F + 0.25F * along, 0.75F + 0.25F * along, std::clamp(0.5F - edge * 400, 0.0F, 1.0F));
  }

  // Hills before a sky with a sun in it.
  void raise_hills(std::uint32_t columns) {
    const float phase = 6.28F * chance();
    sun_x_ = (0.25F + 0.5F * chance()) * width_;
    crests_.resize(columns);
    for (std::size_t hill = 0; hill < kHills; ++hill) {
      const float n = static_cast<float>(hill), pace = 0.7F + 0.9F * chance();
      for (std::uint32_t column = 0; column < columns; ++column) {
        const float x = static_cast<float>(column) / static_cast<float>(columns) * width_;
        crests_[column][hill] = 0.46F + 0.15F * n + 0.07F * std::sin(phase + 2.1F * n + x * 5.2F * pace) +
                                0.025F * std::sin(phase * 2 + x * 13 * pace);
      }
    }
  }

  float waves(std::uint32_t column, float x, float y) const {
    const float down = y / height_, dx = x - sun_x_, dy = y - 0.3F * height_;
    float tone = dx * dx + dy * dy < 0.0064F * std::min(1.0F, 2 * height_) ? 1 : 0.95F - 0.3F * down;
    for (std::size_t hill = 0; hill < kHills; ++hill) {
      const float below = down - crests_[column][hill];
      if (below > 0) tone = 0.56F - 0.17F * static_cast<float>(hill) + 0.12F * below;
    }
    return tone;
  }

  // Head and shoulders before a plain ground, in the middle of what is shown.
  float portrait(float x, float y) const {
    const float side = std::min(width_, height_), u = (x - width_ / 2) / side, v = (y - height_ / 2) / side;
    if (away(u / 0.17F, (v + 0.12F) / 0.2F) < 1) return 0.3F - 0.1F * u;
    if (away(u / 0.36F, (v - 0.52F) / 0.36F) < 1) return 0.06F + 0.1F * v;
    return 0.92F - 0.25F * (v + 0.5F) - 0.1F * u;
  }

  Form form_;
  std::uint64_t seed_;
  float width_ = 1, height_ = 1, slope_x_ = 1, slope_y_ = 0, sun_x_ = 0;
  std::array<Spot, 4> spots_{};
  std::vector<std::array<float, kHills>> crests_;  // by column, from the top
};

std::uint32_t side(double wanted) {
  return static_cast<std::uint32_t>(std::isfinite(wanted) ? std::clamp(std::round(wanted), kSideMin, kSideMax)
                                                          : kSideMin);
}

}  // namespace

std::string offline_image(std::string_view image_prompt, double width, double height) {
  const ImageSize size{side(width), side(height)};
  const Wish wish = read_wish(image_prompt);
  const Canvas canvas(wish, size);
  std::vector<std::uint8_t> pixels(std::size_t{size.width} * size.height);
  auto* pixel = pixels.data();
  const float unit = 1.0F / static_cast<float>(std::max(size.width, size.height));
  for (std::uint32_t y = 0; y < size.height; ++y) {
    for (std::uint32_t x = 0; x < size.width; ++x) {
      const float tone = canvas.at(x, (static_cast<float>(x) + 0.5F) * unit, (static_cast<float>(y) + 0.5F) * unit);
      *pixel++ = static_cast<std::uint8_t>(std::clamp(tone, 0.0F, 1.0F) * (kShades - 0.01F));
    }
  }
  return plugfleet::encode_png(size, palette_of(wish.colours), pixels);
}

}  // namespace figma
