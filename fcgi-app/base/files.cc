#include "base/files.h"

#include <fstream>
#include <iterator>

#include "base/utf8.h"

namespace plugfleet {

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad()) return std::nullopt;
  return std::string(without_mark(text));
}

}  // namespace plugfleet
