// The ground that a picture was exported on. A layer's picture may be clear around the layer, or lie on white, grey or
// a dark mode's black: one name for all of them. Pure.
#pragma once

#include "figma/offline/colour_name.h"
#include "wire/image.h"

namespace figma {

enum class Ground {
  none,    // nothing to take away: clear already, or the colour of the edges differs
  around,  // one object lies on it
  behind,  // it shows between pieces: an icon's or a text's ground, or the surface of a card
};

struct OffGround {
  Ground ground = Ground::none;
  Oklab colour;              // of the ground
  plugfleet::Pixels pixels;  // with the ground clear; empty where there is none
};

OffGround take_off_ground(const plugfleet::Pixels& pixels);

}  // namespace figma
