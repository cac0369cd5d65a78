// Takes compression's noise and soft edges' shades out of a drawing: its pixels take the nearest of its few flat
// colours. A photograph or a gradient has no few and stays as it is. Pure.
#pragma once

#include "wire/image.h"

namespace figma {

void flatten_colours(plugfleet::Pixels& pixels);

}  // namespace figma
