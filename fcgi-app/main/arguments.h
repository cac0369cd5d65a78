// What the programs have in common: their arguments, and how a fault at the start is told.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "core/settings.h"

namespace plugfleet {

struct Arguments {
  std::string settings_file;
  bool check = false, print_settings = false;
};

// A row a setting: name, type, default, range. A secret's value is never among them.
inline int print_settings(const SettingReader& reader) {
  for (const SettingRow& row : reader.rows())
    fmt::print("{}\t{}\t{}\t{}\n", row.name, row.type, row.default_value, row.range);
  return 0;
}

// Runs `run` and turns what it throws into one message on stderr and exit status 1.
inline int run_main(const char* program, int argc, char** argv, int (*run)(const Arguments&)) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--settings") == 0 && i + 1 < argc) {
      arguments.settings_file = argv[++i];
    } else if (std::strcmp(argv[i], "--check") == 0) {
      arguments.check = true;
    } else if (std::strcmp(argv[i], "--print-settings") == 0) {
      arguments.print_settings = true;
    } else {
      fmt::print(stderr, "usage: {} [--settings FILE] [--check | --print-settings]\n", program);
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
