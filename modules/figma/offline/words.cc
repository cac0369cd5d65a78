#include "figma/offline/words.h"

#include <fmt/format.h>

#include <array>
#include <cctype>

#include "base/text.h"
#include "figma/offline/colour_name.h"

namespace figma {
namespace {

struct Copy {
  std::string_view placeholder, full, brief;
};
constexpr auto kCopy = std::to_array<Copy>({
    {"button", "Get started", "Start"},
    {"button text", "Get started", "Start"},
    {"button label", "Get started", "Start"},
    {"cta", "Get started", "Start"},
    {"click here", "Get started", "Start"},
    {"label", "See how it works", "More"},
    {"link", "Learn more", "More"},
    {"title", "Everything in its place", "Welcome"},
    {"heading", "Everything in its place", "Welcome"},
    {"headline", "Everything in its place", "Welcome"},
    {"your title here", "Everything in its place", "Welcome"},
    {"subtitle", "See what matters first", "At a glance"},
    {"subheading", "See what matters first", "At a glance"},
});
constexpr auto kSentences = std::to_array<std::string_view>(
    {"See what matters first, and get to it in one step.", "Begin with what you have and make it your own.",
     "Change anything at any time and see the result at once.", "Nothing is in the way, and nothing is far.",
     "Share it with the people you work with when it is ready."});

std::string plain_lower(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
    if (std::isalpha(static_cast<unsigned char>(c)) || c == ' ') out += plugfleet::lower(c);
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

// "Hero image", from a name of any kind; empty where it has no words.
std::string plain_words(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (out.size() >= 40) break;
    if (std::isalnum(static_cast<unsigned char>(c))) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string named(Rgb colour) {
  const std::string name =
      plugfleet::lower(colour_name(nearest_colour(to_oklab(colour.red, colour.green, colour.blue))));
  return fmt::format("{} {}", name, hex(colour));
}

}  // namespace

std::optional<std::string> better_text(const LayerMetadata& layer, double font_size, double room) {
  if (layer.type != "TEXT" || !layer.text) return std::nullopt;
  if (layer.text->size() > 2000) return std::nullopt;
  const std::string said = plain_lower(*layer.text);
  for (const Copy& copy : kCopy) {
    if (said != copy.placeholder) continue;
    const bool wide = guessed_width(copy.full, font_size) <= room;
    return std::string(wide ? copy.full : copy.brief);
  }
  if (!said.starts_with("lorem ipsum")) return std::nullopt;
  std::string out(kSentences[0]);
  for (std::size_t i = 1; out.size() + kSentences[i % kSentences.size()].size() < layer.text->size(); ++i) {
    if (i == kSentences.size()) break;
    out.append(" ").append(kSentences[i]);
  }
  if (out.size() > layer.text->size() + 4) out = layer.text->size() >= 22 ? "See what matters first." : "At a glance";
  return out;
}

std::string picture_prompt(const Frame& frame, const Layer& layer, Rgb first, Rgb second, bool calm) {
  const std::string name = plain_lower(layer.data->name);
  const auto says = [&](std::string_view word) { return name.find(word) != std::string::npos; };
  const double w = layer.box.size(Axis::x), h = layer.box.size(Axis::y);
  std::string out = says("avatar") || says("portrait") ? "A friendly portrait of a person, head and shoulders"
                    : says("illustration")             ? "A simple flat illustration"
                    : w > 1.25 * h                     ? "A wide landscape photograph"
                                                       : "A photograph";
  if (const auto words = plain_words(layer.data->name); !words.empty()) out += fmt::format(" for \"{}\"", words);
  if (const auto words = plain_words(frame.name); !words.empty()) out += fmt::format(" on \"{}\"", words);
  out += fmt::format(", natural light, in {} and {}", named(first), named(second));
  out += calm ? ", calm and even, so that text on it stays legible" : ", one clear subject";
  return out + ", no text in the picture.";
}

}  // namespace figma
