// Small files read whole: settings, keys, prompts, migrations.
#pragma once

#include <optional>
#include <string>

namespace plugfleet {

// The file's bytes, but for a byte order mark before them; empty where it can't be read.
std::optional<std::string> read_file(const std::string& path);

}  // namespace plugfleet
