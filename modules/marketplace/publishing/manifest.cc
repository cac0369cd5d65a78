#include "marketplace/publishing/manifest.h"

#include <fmt/format.h>

namespace marketplace {

using namespace plugfleet;

Manifest read_manifest(std::string_view text, std::string_view slug, const std::set<std::string>& files) {
  std::string padded(text);
  padded.reserve(padded.size() + kJsonPadding);
  const auto parsed = parse_json_view(padded);
  if (!parsed) throw Failure(FailureKind::unprocessable, "plugin.json: " + parsed.error());
  Manifest manifest;
  if (parsed->type() != JsonView::Type::object)
    throw Failure(FailureKind::unprocessable, "plugin.json: it must be an object");
  std::vector<Detail> wrong;
  FieldReader reader(*parsed, "", wrong);
  manifest.fields(reader);
  reader.finish();
  if (!wrong.empty()) {  // a job's failure has words alone
    std::string all = "plugin.json:";
    for (const Detail& each : wrong)
      all += fmt::format("{} {} {}", &each == wrong.data() ? "" : ";", each.field, each.message);
    throw Failure(FailureKind::unprocessable, all);
  }
  const auto complain = [](std::string_view field, std::string_view what) {
    throw Failure(FailureKind::unprocessable, fmt::format("plugin.json: {} {}", field, what));
  };
  if (manifest.slug != slug) complain("slug", fmt::format("is not \"{}\", to which this was sent", slug));
  if (!semver(manifest.version)) complain("version", "must be a semantic version such as 1.2.0 or 1.3.0-beta.1");
  if (manifest.version == "latest") complain("version", "can't be \"latest\"");
  if (manifest.min_shell && !semver(*manifest.min_shell))
    complain("minShell", "must be a semantic version such as 1.0.0");
  if (!manifest.entry.ends_with(".html") || !files.contains(manifest.entry))
    complain("entry", "must be an .html file of the bundle");
  if (manifest.icon) {
    const bool picture =
        manifest.icon->ends_with(".svg") || manifest.icon->ends_with(".png") || manifest.icon->ends_with(".webp");
    if (!picture || !files.contains(*manifest.icon))
      complain("icon", "must be an .svg, .png or .webp file of the bundle");
  }
  for (const std::string& permission : manifest.permissions) {
    if (!is_plugin_permission(permission))
      complain("permissions", fmt::format("has \"{}\", and there is none of that name", permission));
  }
  return manifest;
}

}  // namespace marketplace
