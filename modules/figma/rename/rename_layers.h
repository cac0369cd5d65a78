// POST /api/rename-layers: a better name for each layer of a frame, by one AI call a layer. It is done at once or,
// where the client prefers that, as a job of the kind rename-layers.
//
// A layer whose call fails keeps its name and the request still succeeds; every id comes back once, in order. What is
// wrong with the request itself (an id twice, an image that is none) refuses it whole, naming each field, before it
// becomes a job. A job none of whose calls could be answered is tried again; its last attempt keeps every name, unless
// the AI could not even be asked: then the job waits. One that has some names waits for the others until its time is
// up.
#pragma once

#include <plugfleet/module.h>

namespace figma {

struct RenameSettings {
  std::int64_t limit_per_minute = 0, in_flight = 0;
  plugfleet::EdgeLimit edge;
  void rows(plugfleet::SettingReader& settings);
};

plugfleet::Route rename_layers_route(const RenameSettings& settings);
plugfleet::JobHandler rename_layers_job();

}  // namespace figma
