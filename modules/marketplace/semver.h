// Versions as Semantic Versioning 2.0.0 (semver.org) has them: which texts are one, and an order that SQL keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace marketplace {

inline constexpr std::size_t kVersionMost = 64;  // characters

struct Semver {
  std::int64_t major = 0, minor = 0, patch = 0;
  // Of what stands behind "-": as bytes it sorts as section 11.4 has prereleases sorted. None: a release, which is after them.
  std::optional<std::string> prerelease_key;
};

// None where `text` is no version, longer than kVersionMost, or has a number of more than 15 digits. Build metadata ("+...")
// is refused: two versions that differ in that alone would be equal.
std::optional<Semver> semver(std::string_view text);

}  // namespace marketplace
