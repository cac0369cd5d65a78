// A request for edits, ready for the work: checked whole, with its frame's image and the prompt that it chose.
#pragma once

#include <optional>
#include <string>

#include "figma/edits/edits.h"
#include "figma/layer_image.h"

namespace figma {

struct EditTask {
  EditRequest request;
  std::optional<LayerImage> frame_image;  // looks into the body
  std::string prompt_file, prompt;        // the file's name and text
};

// `default_prompt` is taken where the request names none. Throws Failure: unprocessable, naming each wrong field;
// invalid_request, where the prompt is none of the server's.
plugfleet::Async<EditTask> read_edit_task(plugfleet::Call& call, std::string default_prompt);
plugfleet::Async<EditTask> read_edit_task(plugfleet::Job& job, std::string default_prompt);

}  // namespace figma
