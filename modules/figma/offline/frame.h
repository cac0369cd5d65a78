// A frame as the offline designer sees it: boxes and colours made usable, what lies inside what, what each layer stands
// on, and what it is for. Takes anything: parents that are unknown or go round in circles, sizes of zero, fills that
// are not colours. Pure.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "figma/edits/edits.h"
#include "figma/offline/colour_theory.h"

namespace figma {

enum class Axis { x, y };

struct Box {
  std::array<double, 2> lo{}, hi{};
  double size(Axis axis) const { return hi[int(axis)] - lo[int(axis)]; }
  double area() const { return size(Axis::x) * size(Axis::y); }
  bool holds(const Box& other) const;     // to half a pixel
  bool overlaps(const Box& other) const;  // by more than a fiftieth of a pixel: touching is not overlapping
  bool operator==(const Box&) const = default;
};

enum class Role {
  none,     // has no colour of its own that is known
  ground,   // what fills the frame, or a band of it
  surface,  // a card, a panel, a field
  accent,   // a button, a badge: small and coloured, or meant to be
  ink       // text, and shapes as small as letters: icons
};

struct Layer {
  const LayerMetadata* data = nullptr;
  Box box;
  std::optional<Rgb> fill;
  Role role = Role::none;
  bool text = false, photo = false;  // photo: its name says that it shows a picture
  int parent = -1, depth = 0;        // as the client says
  int holder = -1;                   // the smallest layer around it that lies behind it, whatever the client says
  std::vector<int> grounds;          // what its ink stands on: first what is right behind it
  bool holds_text = false;
};

struct Frame {
  Box box;
  std::string name;
  std::vector<Layer> layers;
  std::vector<int> by_area;    // the largest first
  double hue = 0;              // of the dominant colour that is not grey
  std::optional<Rgb> primary;  // that colour; nothing in a frame of greys
};

Frame read_frame(const EditRequest& request);

// How wide a line of text is set, as far as one can guess without the font.
double guessed_width(std::string_view text, double font_size);

bool is_shape_with_corners(std::string_view type);

}  // namespace figma
