// The prompts of a module that its requests may choose between: the .txt files of one folder, modules/NAME/prompts (the
// setting PROMPTS_DIR). The folder is read anew each time, so a file that was put there, changed or taken away counts from
// the next request on.
//
// A prompt is a regular file in the folder itself, of 1 byte to 64 KiB of UTF-8 without NULs, whose name is one to a
// hundred of [A-Za-z0-9._-], the first a letter or a digit, and ".txt". Everything else there is no prompt: links,
// devices and folders never are, so no name a client sends leads out of the folder.
//
// Reads the disk: call it by Reactor::offload. Keeps nothing, so any thread may.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugfleet {

struct PromptFile {
  std::string id, name, filename;  // "dark-mode", "Dark Mode", "dark-mode.txt"
  bool is_default = false;
};

class Prompts {
 public:
  // `folder` may have a * where a module's name is to stand.
  explicit Prompts(std::string folder) : folder_(std::move(folder)) {}

  // The module's.
  Prompts of(std::string_view module) const;

  // `default_file` first, where it is there, then by name. Only those that read() would give.
  std::vector<PromptFile> list(std::string_view default_file) const;

  // The prompt's text; none where there is no prompt of that name.
  std::optional<std::string> read(std::string_view filename) const;

 private:
  const std::string folder_;
};

}  // namespace plugfleet
