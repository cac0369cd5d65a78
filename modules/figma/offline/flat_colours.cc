#include "figma/offline/flat_colours.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace figma {
namespace {

using plugfleet::Pixels;

constexpr int kBins = 32 * 32 * 32;  // 5 bits a channel: white and the palest grey are two
constexpr std::size_t kMost = 10;
constexpr int kSame = 7, kNear = 16;  // of 255, by the channel that is farthest
constexpr std::uint8_t kNone = 0xff;  // no flat colour
constexpr int kSeen = 128;            // alpha from which a pixel counts

struct Flat {
  std::uint32_t count = 0;
  int bin = 0;
  std::array<int, 3> colour{};
};

// Calls `each` with the first pixel of every run of equal ones that count, and the run's end.
void for_runs(auto& rgba, auto&& each) {
  auto *p = rgba.data(), *end = p + rgba.size();
  while (p != end) {
    std::uint32_t colour, next;
    std::memcpy(&colour, p, 4);
    auto* after = p + 4;
    for (; after != end; after += 4) {
      std::memcpy(&next, after, 4);
      if (next != colour) break;
    }
    if (p[3] >= kSeen) each(p, after);
    p = after;
  }
}

int bin_of(const std::uint8_t* p) { return p[0] >> 3 << 10 | p[1] >> 3 << 5 | p[2] >> 3; }

std::array<int, 3> middle_of(int bin) { return {(bin >> 10) * 8 + 4, (bin >> 5 & 31) * 8 + 4, (bin & 31) * 8 + 4}; }

int apart(const std::array<int, 3>& one, const std::array<int, 3>& other) {
  return std::max({std::abs(one[0] - other[0]), std::abs(one[1] - other[1]), std::abs(one[2] - other[2])});
}

void flatten(Pixels& pixels, const std::vector<int>& used, const std::vector<std::uint32_t>& counts,
             std::vector<std::uint8_t>& flat_of) {
  std::uint32_t all = 0;
  for (const int bin : used) all += counts[bin];
  std::vector<Flat> frequent;
  std::uint32_t covered = 0;
  for (const int bin : used) {
    if (counts[bin] * 70 < all) continue;
    frequent.push_back({counts[bin], bin, middle_of(bin)});
    covered += counts[bin];
  }
  std::ranges::sort(frequent, [](const Flat& one, const Flat& other) {
    return one.count != other.count ? one.count > other.count : one.bin < other.bin;
  });
  if (frequent.size() > kMost || covered * 10 < all * 6) return;

  for (std::size_t i = 0; i < frequent.size(); ++i) flat_of[frequent[i].bin] = static_cast<std::uint8_t>(i);
  std::vector<std::array<std::uint64_t, 3>> sums(frequent.size());
  for_runs(pixels.rgba, [&](const std::uint8_t* p, const std::uint8_t* end) {
    const auto flat = flat_of[bin_of(p)];
    if (flat == kNone) return;
    for (int c = 0; c < 3; ++c) sums[flat][c] += p[c] * std::uint64_t(end - p) / 4;
  });
  std::vector<Flat> flats;
  for (std::size_t i = 0; i < frequent.size(); ++i) {
    auto& one = frequent[i];
    for (int c = 0; c < 3; ++c) one.colour[c] = static_cast<int>(sums[i][c] / one.count);
    if (std::ranges::none_of(flats, [&](const Flat& other) { return apart(one.colour, other.colour) <= kSame; })) {
      flats.push_back(one);
    }
  }
  for (const int bin : used) {
    const auto nearest =
        std::ranges::min_element(flats, {}, [&](const Flat& one) { return apart(one.colour, middle_of(bin)); });
    const bool near = apart(nearest->colour, middle_of(bin)) <= kNear;
    flat_of[bin] = near ? static_cast<std::uint8_t>(nearest - flats.begin()) : kNone;
  }
  for_runs(pixels.rgba, [&](std::uint8_t* p, const std::uint8_t* end) {
    const auto flat = flat_of[bin_of(p)];
    if (flat == kNone) return;
    for (; p != end; p += 4) {
      for (int c = 0; c < 3; ++c) p[c] = static_cast<std::uint8_t>(flats[flat].colour[c]);
    }
  });
}

}  // namespace

void flatten_colours(Pixels& pixels) {
  // Kept by the thread, cleared by those used: most pictures are small, and have few colours.
  static thread_local std::vector<std::uint32_t> counts(kBins);
  static thread_local std::vector<std::uint8_t> flat_of(kBins, kNone);  // by bin
  std::vector<int> used;
  for_runs(pixels.rgba, [&](const std::uint8_t* p, const std::uint8_t* end) {
    const int bin = bin_of(p);
    if (counts[bin] == 0) used.push_back(bin);
    counts[bin] += static_cast<std::uint32_t>(end - p) / 4;
  });
  flatten(pixels, used, counts, flat_of);
  for (const int bin : used) counts[bin] = 0, flat_of[bin] = kNone;
}

}  // namespace figma
