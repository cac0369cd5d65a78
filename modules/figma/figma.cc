// figma: what the Figma plugin calls. Settings: figma.conf beside this file.
#include <plugfleet/module.h>

#include "figma/edits/generate_edits.h"
#include "figma/prompts_route.h"
#include "figma/rename/rename_layers.h"

namespace figma {

plugfleet::Module describe(plugfleet::SettingReader& settings) {
  RenameSettings rename;
  rename.rows(settings);
  EditSettings edit;
  edit.rows(settings);
  return {.name = "figma",
          .routes = {rename_layers_route(rename), generate_edits_route(edit), prompts_route(edit.prompt_file)},
          .jobs = {rename_layers_job(), generate_edits_job()}};
}

}  // namespace figma

PLUGFLEET_MODULE(figma::describe)
