// What the programs have in common: their arguments, and how a fault at the start is told.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/settings.h"

namespace plugfleet {

struct Arguments {
  std::string settings_file;
  bool check = false;
  std::string print;  // what of the program is to be printed: "settings" and what else it offers
};

// A row a setting: name, type, default, range; or NAME=value, as it is here. A secret's value is never among them: it is
// NAME_FILE=path, or NAME=(secret).
inline int print_settings(const SettingReader& reader, std::string_view what = "settings") {
  for (const SettingRow& row : reader.rows()) {
    if (what == "settings") {
      fmt::print("{}\t{}\t{}\t{}\n", row.name, row.type, row.default_value, row.range);
    } else {
      const bool file = row.type == "secret" && !row.value.empty() && row.value != "(secret)";
      fmt::print("{}{}={}\n", row.name, file ? "_FILE" : "", row.value);
    }
  }
  return 0;
}

// A process that has some of the modules leaves the settings of the others alone; `plugfleet check` looks at all of them.
inline SettingReader::Unclaimed unclaimed_by(const Settings& settings) {
  return settings.modules.empty() ? SettingReader::Unclaimed::refused : SettingReader::Unclaimed::passed_over;
}

// Runs `run` and turns what it throws into one message on stderr and exit status 1. `printed` is what --print-... may name.
inline int run_main(const char* program, int argc, char** argv, int (*run)(const Arguments&),
                    std::initializer_list<std::string_view> printed = {"settings", "values"}) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--settings") == 0 && i + 1 < argc) {
      arguments.settings_file = argv[++i];
    } else if (std::strcmp(argv[i], "--check") == 0) {
      arguments.check = true;
    } else if (const std::string_view word = argv[i];
               word.starts_with("--print-") && std::ranges::find(printed, word.substr(8)) != printed.end()) {
      arguments.print = word.substr(8);
    } else {
      fmt::print(stderr, "usage: {} [--settings FILE] [--check | --print-{}]\n", program,
                 fmt::join(printed, " | --print-"));
      return 2;
    }
  }
  try {
    return run(arguments);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "{}: {}\n", program, failure.what());
    return 1;
  }
}

}  // namespace plugfleet
