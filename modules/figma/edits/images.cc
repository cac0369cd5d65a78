#include "figma/edits/images.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "figma/offline/edits.h"
#include "wire/base64.h"
#include "wire/image.h"

namespace figma {

using namespace plugfleet;

namespace {

constexpr auto kAnswerMargin = 3s;        // before the work's deadline: it is answered with the pictures there are
constexpr std::uint32_t kSideMax = 4096;  // Figma's createImage takes no more

struct Painting {
  Work& work;
  const std::vector<WantedPicture> wanted;
  const std::function<void(std::size_t)> done;
  Pictures pictures;
  std::size_t ended = 0, bytes = 0;

  bool has_room_for(std::size_t size, std::size_t uses) const { return bytes + size * uses <= kPicturesBytesMax; }
};

std::string offline_picture(const WantedPicture& wanted) {
  const std::string png = offline_image(wanted.prompt, wanted.width, wanted.height);
  return encode_base64({reinterpret_cast<const std::uint8_t*>(png.data()), png.size()});
}

Prompt painting_prompt(const WantedPicture& wanted) {
  return {.text = fmt::format("Paint one picture for a layer of {:.0f} x {:.0f} pixels in a user interface design. It "
                              "fills the layer: no frame around it, no text, no watermark. The picture shows:\n{}",
                              wanted.width, wanted.height, wanted.prompt),
          .wants = Answer::image,
          .offline = [&wanted] { return offline_picture(wanted); }};
}

// The picture with its padding; empty where it can't be decoded whole.
std::string checked(const std::string& base64) {
  const auto bytes = decode_base64(base64);
  if (!bytes) return {};
  const auto pixels = decode_image(*bytes, {.side = kSideMax});
  if (!pixels || !pixels->whole) return {};
  return encode_base64(*bytes);
}

Async<void> paint_one(Painting& painting, std::size_t index) {
  Work& work = painting.work;
  const WantedPicture& wanted = painting.wanted[index];
  std::string why;
  try {
    const Completion completion = co_await work.complete(painting_prompt(wanted));
    std::function<std::string()> check = [&completion] {
      return completion.image ? checked(completion.image->base64) : std::string();
    };
    std::string picture = co_await work.services.reactor.offload(std::move(check));
    if (picture.empty()) {
      why = "it is not an image that can be decoded";
    } else if (!painting.has_room_for(picture.size(), wanted.uses)) {
      why = "the reply is full";
    } else {
      painting.bytes += picture.size() * wanted.uses;
      painting.pictures.emplace(wanted.prompt, std::move(picture));
    }
  } catch (const Failure& failure) {
    why = failure.message();
  }
  if (!why.empty()) log(Severity::info, "picture_left_out", {{"trace", work.trace().id}, {"why", why}});
  painting.done(++painting.ended);
}

}  // namespace

std::vector<WantedPicture> wanted_pictures(const std::vector<Variant>& variants, const EditRequest& request) {
  std::vector<WantedPicture> wanted;
  const auto want = [&](const Instruction& instruction) {
    auto found = std::ranges::find(wanted, *instruction.image_prompt, &WantedPicture::prompt);
    if (found == wanted.end()) {
      if (wanted.size() == kPicturesMax) return;
      const auto layer = std::ranges::find(request.layers, instruction.layer_id, &LayerMetadata::id);
      found = wanted.insert(found, {*instruction.image_prompt, layer->width, layer->height, 0});
    }
    ++found->uses;
  };
  std::vector<std::vector<const Instruction*>> by_turn(kInstructionsMax);
  for (const Variant& variant : variants) {
    std::size_t turn = 0;
    for (const Instruction& instruction : variant.instructions) {
      if (instruction.image_prompt) by_turn[turn++].push_back(&instruction);
    }
  }
  for (const auto& turn : by_turn) std::ranges::for_each(turn, [&](const Instruction* one) { want(*one); });
  return wanted;
}

Async<Pictures> paint(Work& work, std::vector<WantedPicture> wanted, std::size_t in_flight,
                      std::function<void(std::size_t)> done) {
  Painting painting{.work = work, .wanted = std::move(wanted), .done = std::move(done)};
  std::function<Async<void>(std::size_t)> each = [&painting](std::size_t index) { return paint_one(painting, index); };
  co_await for_each_parallel(work.services.reactor, painting.wanted.size(),
                             {.width = in_flight, .deadline = work.deadline() - kAnswerMargin}, std::move(each));
  co_return std::move(painting.pictures);
}

}  // namespace figma
