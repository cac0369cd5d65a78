// The pictures of variants: each generateImage instruction's prompt is painted by an AI, each prompt once. One that
// fails, is not an image or comes too late is left out; its instruction stays.
#pragma once

#include <functional>

#include "figma/edits/reply.h"

namespace figma {

inline constexpr std::size_t kPicturesMax = 20;                     // of a request
inline constexpr std::size_t kPicturesBytesMax = 24 * 1024 * 1024;  // in the reply, each as often as it is used

struct WantedPicture {
  std::string prompt;
  double width = 0, height = 0;  // of the first layer that it is for
  std::size_t uses = 0;
};

// Every variant's first comes before any variant's second: where there are too many, each has some.
std::vector<WantedPicture> wanted_pictures(const std::vector<Variant>& variants, const EditRequest& request);

// At most `in_flight` of them are out at once; `done` is called after each with how many are.
plugfleet::Async<Pictures> paint(plugfleet::Work& work, std::vector<WantedPicture> wanted, std::size_t in_flight,
                                 std::function<void(std::size_t)> done);

}  // namespace figma
