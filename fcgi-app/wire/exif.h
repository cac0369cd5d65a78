// The one thing of EXIF that changes what a viewer shows.
#pragma once

#include <cstdint>
#include <span>

namespace plugfleet {

// 1 (upright) to 8, by the first directory's tag 0x0112 (CIPA DC-008, 4.6.4). `tiff` begins with "II" or "MM"; whatever
// does not say is upright.
int exif_orientation(std::span<const std::uint8_t> tiff);

}  // namespace plugfleet
