// A plugin's bundle as it was uploaded: an archive that nobody has looked into. Its entries are read one after another, and
// each is judged before a byte of it is used; where one is wrong, all are.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace marketplace {

struct BundleLimits {
  std::uint64_t unpacked = 200 << 20;  // bytes of all files together
  std::uint64_t file = 32 << 20;       // of one
  std::size_t entries = 5000;          // files and folders
};

inline constexpr std::uint64_t kPackedMost = 50 << 20;  // bytes of the archive itself

struct BundleFile {
  std::string path;  // "assets/app.js": within the bundle, without dot segments
  std::string bytes;
};

class BundleReader {
 public:
  // `archive`: the path of a zip, a tar or a tar.gz, that stays as it is meanwhile. Throws as next() does.
  explicit BundleReader(std::string archive, BundleLimits limits = {});
  ~BundleReader();
  BundleReader(const BundleReader&) = delete;

  // The next regular file; none after the last. Blocks (Reactor::offload), on one thread at a time. Throws
  // Failure(unprocessable), which names the entry: a name that leaves the bundle, that is none on every system or stands
  // there twice (capitals or not), a link or a device, a file that is not what the archive says of it, one that holds a
  // secret, or anything over the limits. Bytes are counted as they come, whatever the archive says of their number.
  std::optional<BundleFile> next();

  std::uint64_t packed_bytes_read() const;
  std::uint64_t unpacked_bytes() const { return unpacked_; }

 private:
  struct Archive;
  void judge_name(const std::string& path, bool folder);

  const BundleLimits limits_;
  std::unique_ptr<Archive> archive_;
  std::map<std::string, std::pair<std::string, bool>> seen_;  // by small letters: as it was spelt, and whether a folder
  std::size_t entries_ = 0;
  std::uint64_t unpacked_ = 0;
};

// What is wrong with a path within a bundle; nothing where it may stand there.
std::optional<std::string> wrong_with_path(std::string_view path);

}  // namespace marketplace
