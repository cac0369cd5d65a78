#include "base/files.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/check.h"

using namespace plugfleet;

namespace {

// A file with that content, until the test has ended.
struct File {
  explicit File(std::string_view content)
      : path(std::filesystem::temp_directory_path() / ("plugfleet-file-" + std::to_string(::getpid()))) {
    std::ofstream(path, std::ios::binary) << content;
  }
  ~File() { std::filesystem::remove(path); }
  std::filesystem::path path;
};

}  // namespace

TEST(a_file_is_read_to_the_byte) {
  const std::string content("a\0\r\n\xFF", 5);
  CHECK(read_file(File(content).path) == content);
  CHECK_EQ(read_file(File("").path).value(), "");
}

TEST(a_byte_order_mark_is_left_out) { CHECK_EQ(read_file(File("\xEF\xBB\xBFkey").path).value(), "key"); }

TEST(what_can_not_be_read_is_none) { CHECK(!read_file("/nonexistent/file")); }
