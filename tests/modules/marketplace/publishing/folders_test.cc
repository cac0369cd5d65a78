#include "marketplace/publishing/folders.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "support/check.h"

using namespace marketplace;
namespace fs = std::filesystem;

namespace {

struct Temporary {
  Temporary() { CHECK(mkdtemp(name.data()) != nullptr); }
  ~Temporary() { fs::remove_all(name); }
  std::string name = "/tmp/plugfleet-folders-XXXXXX";
};

Folders with_version(const Temporary& folder, const std::string& version) {
  const Folders folders(folder.name + "/marketplace");
  folders.make_incoming();
  folders.begin("job");
  folders.write("job", "sub/app.js", version);
  folders.place("job", "a-plugin", version);
  return folders;
}

}  // namespace

TEST(a_placed_version_is_for_everybody_to_read_whatever_the_umask) {
  const Temporary folder;
  const mode_t before = umask(077);
  with_version(folder, "1.0.0");
  umask(before);
  const fs::path served = folder.name + "/marketplace/served/a-plugin/1.0.0/sub/app.js";
  CHECK_EQ(plugfleet::read_file(served).value_or(""), "1.0.0");
  CHECK_EQ(static_cast<int>(fs::status(served).permissions()), 0644);
  CHECK_EQ(static_cast<int>(fs::status(served.parent_path()).permissions()), 0755);
  CHECK_EQ(static_cast<int>(fs::status(folder.name + "/marketplace/tmp/incoming").permissions()), 0700);
}

TEST(a_version_that_is_placed_again_replaces_what_was_there) {
  const Temporary folder;
  const Folders folders = with_version(folder, "1.0.0");
  folders.begin("another");
  folders.write("another", "other.js", "x");
  folders.place("another", "a-plugin", "1.0.0");
  CHECK(fs::exists(folder.name + "/marketplace/served/a-plugin/1.0.0/other.js"));
  CHECK(!fs::exists(folder.name + "/marketplace/served/a-plugin/1.0.0/sub"));
}

TEST(what_is_blocked_is_not_served_and_comes_back) {
  const Temporary folder;
  const Folders folders = with_version(folder, "1.0.0");
  const std::string served = folder.name + "/marketplace/served/a-plugin";
  folders.arrange("a-plugin", {{"1.0.0", true}}, "1.0.0");
  CHECK(fs::exists(served + "/latest/sub/app.js"));
  for (int twice = 0; twice < 2; ++twice) {
    folders.arrange("a-plugin", {{"1.0.0", false}}, std::nullopt);
    CHECK(!fs::exists(served + "/1.0.0"));
    CHECK(!fs::is_symlink(served + "/latest"));
  }
  folders.arrange("a-plugin", {{"1.0.0", true}}, "1.0.0");
  CHECK(fs::exists(served + "/latest/sub/app.js"));
}

TEST(only_what_is_old_is_swept) {
  const Temporary folder;
  const Folders folders(folder.name + "/marketplace");
  folders.make_incoming();
  folders.begin("old");
  folders.begin("new");
  fs::last_write_time(folders.unpacked("old"), fs::file_time_type::clock::now() - std::chrono::hours(2));
  folders.sweep();
  CHECK(!fs::exists(folders.unpacked("old")));
  CHECK(fs::exists(folders.unpacked("new")));
}
