#include "marketplace/publishing/folders.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/failure.h"
#include "base/log.h"

namespace marketplace {

using namespace plugfleet;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr mode_t kReadable = 0644, kEnterable = 0755;  // for nginx, whatever the umask
constexpr auto kLeftFor = 1h;

[[noreturn]] void disk_failed(const std::string& what, const std::error_code& error) {
  log(Severity::error, "plugin_files", {{"what", what}, {"error", error.message()}});
  throw Failure(FailureKind::unavailable, "the server can't store files right now");
}

void check(const std::string& what, const std::error_code& error) {
  if (error) disk_failed(what, error);
}
void check(const std::string& what, bool fine) {
  if (!fine) disk_failed(what, std::error_code(errno, std::system_category()));
}

// Each that is missing of a path, `from` the folder that is there.
void make_folders(const std::string& from, const fs::path& below) {
  fs::path folder = from;
  for (const auto& part : below) {
    folder /= part;
    if (mkdir(folder.c_str(), kEnterable) == 0) {
      check("chmod", chmod(folder.c_str(), kEnterable) == 0);
    } else {
      check("mkdir", errno == EEXIST);
    }
  }
}

void make_private(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  check("mkdir", error);
  fs::permissions(folder, fs::perms::owner_all, error);
  check("chmod", error);
}

void remove(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  check("remove", error);
}

void rename_over(const std::string& from, const std::string& to) {
  remove(to);
  std::error_code error;
  fs::rename(from, to, error);
  check("rename", error);
}

}  // namespace

void Folders::make_incoming() const {
  make_folders(fs::path(root_).parent_path(), fs::path(root_).filename());
  make_private(root_ + "/tmp/incoming");
}

void Folders::begin(const std::string& job) const {
  make_private(root_ + "/tmp/unpacked");
  remove(unpacked(job));
  make_folders(root_ + "/tmp/unpacked", job);
}

void Folders::write(const std::string& job, const std::string& path, const std::string& bytes) const {
  make_folders(unpacked(job), fs::path(path).parent_path());
  const std::string file = unpacked(job) + "/" + path;
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kReadable);
  check("open", descriptor >= 0);
  bool fine = fchmod(descriptor, kReadable) == 0;
  for (std::size_t done = 0; fine && done < bytes.size();) {
    const ssize_t count = ::write(descriptor, bytes.data() + done, bytes.size() - done);
    fine = count > 0;
    done += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  }
  const int error = errno;
  close(descriptor);
  errno = error;
  check("write", fine);
}

void Folders::place(const std::string& job, const std::string& slug, const std::string& version) const {
  const int folder = open(unpacked(job).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  check("open", folder >= 0);
  const bool on_disk = syncfs(folder) == 0;
  close(folder);
  check("sync", on_disk);
  make_folders(root_, fs::path("served") / slug);
  rename_over(unpacked(job), fmt::format("{}/served/{}/{}", root_, slug, version));
}

void Folders::forget(const std::string& job) const {
  remove(incoming(job));
  remove(unpacked(job));
}

void Folders::sweep() const {
  for (const char* const name : {"/tmp/incoming", "/tmp/unpacked"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root_ + name, error)) {
      const auto written = fs::last_write_time(entry, error);
      if (!error && fs::file_time_type::clock::now() - written > kLeftFor) remove(entry.path());
    }
  }
}

void Folders::arrange(const std::string& slug, const std::vector<Version>& versions,
                      const std::optional<std::string>& latest) const {
  const std::string served = fmt::format("{}/served/{}", root_, slug),
                    withdrawn = fmt::format("{}/withdrawn/{}", root_, slug);
  const std::string link = served + "/latest", next = served + "/.latest";
  std::error_code error;
  if (!latest) remove(link);
  for (const Version& each : versions) {
    const std::string shown = served + "/" + each.version, hidden = withdrawn + "/" + each.version;
    if (each.served && fs::exists(hidden, error)) {
      make_folders(root_, fs::path("served") / slug);
      rename_over(hidden, shown);
    } else if (!each.served && fs::exists(shown, error)) {
      make_private(root_ + "/withdrawn");
      make_folders(root_, fs::path("withdrawn") / slug);
      rename_over(shown, hidden);
    }
  }
  if (!latest || !fs::exists(served + "/" + *latest, error)) return;
  remove(next);
  fs::create_symlink(*latest, next, error);
  check("symlink", error);
  fs::rename(next, link, error);
  check("rename", error);
}

}  // namespace marketplace
