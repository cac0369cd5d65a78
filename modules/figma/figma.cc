// figma: what the Figma plugin calls. Settings: figma.conf beside this file.
#include <plugfleet/module.h>

#include "figma/rename_layers.h"

namespace figma {

plugfleet::Module describe(plugfleet::SettingReader& settings) {
  RenameSettings rename;
  rename.rows(settings);
  return {.name = "figma", .routes = {rename_layers_route(rename)}, .jobs = {rename_layers_job()}};
}

}  // namespace figma

PLUGFLEET_MODULE(figma::describe)
