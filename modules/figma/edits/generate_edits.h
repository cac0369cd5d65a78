// POST /api/generate-edits: five variants of a frame by one AI call, each a list of instructions, with their pictures
// where the client wants them. It is done at once or, where the client prefers that, as a job of the kind
// generate-edits.
//
// Only instructions that stand the check (edit_reply.h) reach a client; an answer without five usable variants is asked
// for once more and then is a failure of the provider's. A picture that fails is left out. No image rests in a row.
#pragma once

#include <plugfleet/module.h>

#include <string>

namespace figma {

struct EditSettings {
  std::int64_t limit_per_minute = 0, images_in_flight = 0;
  std::string prompt_file;
  plugfleet::EdgeLimit edge;
  void rows(plugfleet::SettingReader& settings);
};

plugfleet::Route generate_edits_route(const EditSettings& settings);
plugfleet::JobHandler generate_edits_job();

}  // namespace figma
