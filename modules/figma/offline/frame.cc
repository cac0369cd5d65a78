#include "figma/offline/frame.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <numeric>
#include <unordered_map>

#include "base/text.h"
#include "figma/colour_text.h"

namespace figma {
namespace {

constexpr double kGrey = 0.045;  // less chroma than this is a grey to most eyes
constexpr double kFaint = 0.05;  // opacity under which nothing stands on a layer

constexpr auto kPhotoWords =
    std::to_array<std::string_view>({"image", "img", "photo", "picture", "hero", "avatar", "cover", "banner",
                                     "thumbnail", "thumb", "portrait", "illustration", "gallery", "poster"});
constexpr auto kAccentWords = std::to_array<std::string_view>({"button", "btn", "cta", "badge", "chip", "tag", "pill"});

bool names_one_of(std::string_view name, std::span<const std::string_view> words) {
  std::string word;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    if (i < name.size() && std::isalpha(static_cast<unsigned char>(name[i]))) {
      // "heroImage" is two words.
      if (std::isupper(static_cast<unsigned char>(name[i])) && i > 0 &&
          std::islower(static_cast<unsigned char>(name[i - 1]))) {
        if (std::ranges::find(words, word) != words.end()) return true;
        word.clear();
      }
      word += plugfleet::lower(name[i]);
      continue;
    }
    if (std::ranges::find(words, word) != words.end()) return true;
    word.clear();
  }
  return false;
}

bool is_glyph(std::string_view type) {
  return type == "VECTOR" || type == "BOOLEAN_OPERATION" || type == "STAR" || type == "POLYGON" || type == "LINE";
}

double finite(double value) { return std::isfinite(value) ? value : 0; }

Box box_of(double x, double y, double width, double height) {
  x = finite(x), y = finite(y);
  return {{x, y}, {x + std::max(0.0, finite(width)), y + std::max(0.0, finite(height))}};
}

class Reader {
 public:
  explicit Reader(const EditRequest& request) : count_(static_cast<int>(request.layers.size())) {
    frame_.box = box_of(0, 0, request.frame_width, request.frame_height);
    frame_.name = request.frame_name;
    for (const LayerMetadata& data : request.layers) {
      Layer layer{.data = &data, .box = box_of(data.x, data.y, data.width, data.height)};
      const auto fill = read_colour(data.fill.value_or(""));
      if (fill && fill->opacity > 0) layer.fill = fill->rgb;
      layer.text = data.type == "TEXT";
      layer.photo = (data.type == "RECTANGLE" || data.type == "ELLIPSE" || data.type == "FRAME") &&
                    names_one_of(data.name, kPhotoWords);
      frame_.layers.push_back(std::move(layer));
    }
    frame_.by_area.resize(frame_.layers.size());
    std::iota(frame_.by_area.begin(), frame_.by_area.end(), 0);
    std::ranges::sort(frame_.by_area, {}, [this](int i) { return std::pair(-at(i).box.area(), i); });
  }

  Frame read() {
    find_parents();
    for (int i = 0; i < count_; ++i) find_holder(i);
    for (int i = 0; i < count_; ++i) find_grounds(i);
    find_primary();
    for (int i = 0; i < count_; ++i) at(i).role = role_of(at(i));
    if (!frame_.primary) choose_accent();
    return std::move(frame_);
  }

 private:
  Layer& at(int i) { return frame_.layers[static_cast<std::size_t>(i)]; }

  void find_parents() {
    std::unordered_map<std::string_view, int> by_id;
    for (int i = 0; i < count_; ++i) by_id.emplace(at(i).data->id, i);
    for (int i = 0; i < count_; ++i) {
      const auto& parent = at(i).data->parent_id;
      const auto found = parent ? by_id.find(*parent) : by_id.end();
      if (found != by_id.end()) at(i).parent = found->second;
    }
    for (int i = 0; i < count_; ++i) {  // a circle is cut where it is entered
      int steps = 0;
      for (int up = at(i).parent; up >= 0; up = at(up).parent) {
        if (up == i || ++steps > count_) {
          at(i).parent = -1;
          break;
        }
      }
    }
    for (int i = 0; i < count_; ++i) {
      for (int up = at(i).parent; up >= 0; up = at(up).parent) ++at(i).depth;
    }
  }

  bool is_ancestor(int who, int of) {
    for (int up = at(of).parent; up >= 0; up = at(up).parent) {
      if (up == who) return true;
    }
    return false;
  }

  // A holder is larger, or as large and earlier, so that no two hold each other.
  void find_holder(int i) {
    const Layer& layer = at(i);
    for (int j = 0; j < count_; ++j) {
      const Layer& other = at(j);
      if (j == i || other.text || is_glyph(other.data->type) || !other.box.holds(layer.box)) continue;
      const double apart = other.box.area() - layer.box.area();
      if (apart < 0 || (apart == 0 && j > i)) continue;
      if (j > i && !is_ancestor(j, i)) continue;
      if (layer.holder < 0 || other.box.area() <= at(layer.holder).box.area()) at(i).holder = j;
    }
  }

  bool is_ground(int i) {
    const Layer& layer = at(i);
    return !layer.text && layer.fill && layer.data->opacity.value_or(1) > kFaint;
  }

  void find_grounds(int i) {
    Layer& layer = at(i);
    int behind = -1, touched = -1, ancestor = -1;
    const double x = (layer.box.lo[0] + layer.box.hi[0]) / 2, y = (layer.box.lo[1] + layer.box.hi[1]) / 2;
    for (int j = 0; j < i; ++j) {
      if (!is_ground(j)) continue;
      const Box& box = at(j).box;
      if (box.overlaps(layer.box)) touched = j;
      if (x >= box.lo[0] && x <= box.hi[0] && y >= box.lo[1] && y <= box.hi[1]) behind = j;
    }
    for (int up = layer.parent; up >= 0 && ancestor < 0; up = at(up).parent) {
      if (is_ground(up)) ancestor = up;
    }
    for (const int ground : {behind, ancestor, touched}) {
      if (ground >= 0 && std::ranges::find(layer.grounds, ground) == layer.grounds.end())
        layer.grounds.push_back(ground);
    }
    if (layer.text && !layer.grounds.empty()) at(layer.grounds[0]).holds_text = true;
  }

  // The colour that weighs most by area and chroma. Text is left out; what is named a button counts double.
  void find_primary() {
    std::map<std::uint32_t, double> weights;
    double most = 0;
    for (const Layer& layer : frame_.layers) {
      if (!layer.fill || layer.text) continue;
      const double chroma = to_oklch(*layer.fill).chroma;
      if (chroma < kGrey) continue;
      double& weight = weights[std::uint32_t{layer.fill->red} << 16 | layer.fill->green << 8 | layer.fill->blue];
      weight += std::sqrt(1 + layer.box.area()) * chroma * (names_one_of(layer.data->name, kAccentWords) ? 2 : 1);
      if (weight > most) most = weight, frame_.primary = layer.fill;
    }
    if (frame_.primary) {
      frame_.hue = to_oklch(*frame_.primary).hue;
    } else {
      // A frame of greys gets a hue by its name.
      std::uint32_t sum = 2'166'136'261;  // FNV-1a
      for (const char c : frame_.name) sum = (sum ^ static_cast<unsigned char>(c)) * 16'777'619;
      constexpr std::array<double, 6> kHues{262, 292, 160, 32, 205, 350};
      frame_.hue = kHues[sum % kHues.size()];
    }
  }

  Role role_of(const Layer& layer) const {
    if (layer.text) return Role::ink;
    if (!layer.fill || layer.data->type == "GROUP") return Role::none;
    const double share = layer.box.area() / std::max(1.0, frame_.box.area());
    if (is_glyph(layer.data->type) && share < 0.05) return Role::ink;
    const bool band = layer.box.size(Axis::x) >= 0.95 * frame_.box.size(Axis::x) && share >= 0.04;
    if (share >= 0.4 || band) return Role::ground;
    if (names_one_of(layer.data->name, kAccentWords) && share < 0.1) {
      // A white button beside a blue one is the quieter of the two.
      const bool quiet = frame_.primary && to_oklch(*layer.fill).chroma < kGrey;
      return quiet ? Role::surface : Role::accent;
    }
    return to_oklch(*layer.fill).chroma >= kGrey && share < 0.2 && !layer.photo ? Role::accent : Role::surface;
  }

  // In a frame of greys: what text stands on and stands out most, no higher than a button; else the smallest layer.
  void choose_accent() {
    int best = -1;
    double most = 1.5;
    for (const int i : frame_.by_area) {
      const Layer& layer = at(i);
      if (layer.role != Role::surface || layer.photo) continue;
      const bool button = layer.holds_text && layer.box.size(Axis::y) <= 96;
      const Rgb behind = layer.grounds.empty() ? Rgb{255, 255, 255} : *at(layer.grounds[0]).fill;
      const double stands_out = button ? contrast(*layer.fill, behind) : 0;
      if (stands_out >= most || most <= 1.5) best = i;
      most = std::max(most, stands_out);
    }
    if (best >= 0) at(best).role = Role::accent;
  }

  int count_;
  Frame frame_;
};

}  // namespace

bool Box::holds(const Box& other) const {
  return other.lo[0] >= lo[0] - 0.5 && other.lo[1] >= lo[1] - 0.5 && other.hi[0] <= hi[0] + 0.5 &&
         other.hi[1] <= hi[1] + 0.5;
}

bool Box::overlaps(const Box& other) const {
  return lo[0] < other.hi[0] - 0.02 && other.lo[0] < hi[0] - 0.02 && lo[1] < other.hi[1] - 0.02 &&
         other.lo[1] < hi[1] - 0.02;
}

Frame read_frame(const EditRequest& request) { return Reader(request).read(); }

double guessed_width(std::string_view text, double font_size) {
  double ems = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) continue;  // the rest of a UTF-8 character
    const bool narrow = std::string_view(" ijltfrI.,:;'|!()-").contains(c), wide = std::string_view("mwMW").contains(c);
    ems += narrow ? 0.3 : wide ? 0.86 : std::isupper(byte) ? 0.67 : 0.56;
  }
  return ems * font_size;
}

bool is_shape_with_corners(std::string_view type) {
  return type == "RECTANGLE" || type == "FRAME" || type == "COMPONENT" || type == "INSTANCE";
}

}  // namespace figma
