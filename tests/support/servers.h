// Where the servers are that a test uses.
#pragma once

#include <cstdlib>
#include <string>

#include "support/check.h"

namespace plugfleet::test {

inline std::string conninfo(const char* variable) {
  const char* const value = std::getenv(variable);
  if (!value || !*value) fail(fmt::format("set {}; `make test` does", variable));
  return value;
}

}  // namespace plugfleet::test
