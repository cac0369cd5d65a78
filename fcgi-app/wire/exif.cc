#include "wire/exif.h"

#include <cstddef>

namespace plugfleet {

int exif_orientation(std::span<const std::uint8_t> tiff) {
  constexpr std::uint64_t kOrientation = 0x0112, kEntryBytes = 12;
  // WebP files of some tools hold the JPEG's prefix too.
  if (tiff.size() > 6 && tiff[0] == 'E' && tiff[1] == 'x') tiff = tiff.subspan(6);
  if (tiff.size() < 8 || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  const auto number = [tiff](std::uint64_t at, int bytes) {  // 0 outside
    std::uint64_t value = 0;
    if (at + bytes > tiff.size()) return value;
    for (int i = 0; i < bytes; ++i) value = value << 8 | tiff[at + (tiff[0] == 'I' ? bytes - 1 - i : i)];
    return value;
  };
  const auto directory = number(4, 4), entries = number(directory, 2);
  for (std::uint64_t i = 0; i < entries; ++i) {
    const auto entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > tiff.size()) break;
    if (number(entry, 2) != kOrientation) continue;
    const auto value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace plugfleet
