#include "marketplace/publishing/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/failure.h"
#include "base/text.h"
#include "marketplace/publishing/secrets.h"

namespace marketplace {

using namespace plugfleet;

namespace {

constexpr std::size_t kPathMost = 200, kSegmentMost = 100, kDepthMost = 16;
constexpr std::size_t kZipHeader = 30;  // bytes of a local file header before the name (APPNOTE.TXT 4.3.7)

std::string shown(std::string_view path) {
  std::string text;
  for (const char c : path.substr(0, kPathMost)) text += c >= ' ' && c <= '~' ? c : '?';
  return text;
}

[[noreturn]] void refuse(std::string_view entry, std::string_view what) {
  throw Failure(FailureKind::unprocessable, fmt::format("the bundle's entry \"{}\" {}", shown(entry), what));
}

std::uint64_t little_endian(const unsigned char* bytes, int count) {
  std::uint64_t value = 0;
  while (count-- > 0) value = value << 8 | bytes[count];
  return value;
}

}  // namespace

std::optional<std::string> wrong_with_path(std::string_view path) {
  constexpr std::string_view kOnNoSystem = "\\:*?\"<>|%#;";
  if (path.empty()) return "has no name";
  if (path.size() > kPathMost) return fmt::format("has a name of more than {} characters", kPathMost);
  if (path.front() == '/') return "has an absolute path";
  std::size_t depth = 0;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment.empty()) return "has an empty name in its path";
    if (segment == "." || segment == "..") return "has a path with dots that leads elsewhere";
    if (segment.front() == '.') return "is hidden: names may not begin with a dot";
    if (segment.back() == '.' || segment.back() == ' ' || segment.front() == ' ')
      return "has a name that begins with a space, or ends with a space or a dot";
    if (segment.size() > kSegmentMost) return fmt::format("has a name of more than {} characters", kSegmentMost);
    for (const char c : segment) {
      if (c < ' ' || c > '~' || kOnNoSystem.contains(c))
        return "has a character in its name that is not a letter, a digit or plain punctuation of ASCII";
    }
    if (++depth > kDepthMost) return fmt::format("is more than {} folders deep", kDepthMost);
    begin = end + 1;
  }
  for (const std::string_view ending : {".gz", ".br"}) {
    if (path.ends_with(ending)) return "is compressed: the server compresses what it serves, under such names";
  }
  if (path.ends_with(".mjs")) return "would be no script in a browser: name it .js";
  return std::nullopt;
}

struct BundleReader::Archive {
  Archive(const std::string& path) : handle(archive_read_new()), descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Archive() {
    archive_read_free(handle);
    if (descriptor >= 0) close(descriptor);
  }
  Archive(const Archive&) = delete;

  bool is_zip() const { return (archive_format(handle) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_ZIP; }

  // The entry's name as it stands in the archive: libarchive ends a zip's at a NUL, and makes a backslash a slash.
  std::string name_of(archive_entry* entry) const {
    const char* const text = archive_entry_pathname(entry);
    if (!is_zip()) return text ? text : "";
    std::array<unsigned char, kZipHeader> header{};
    const la_int64_t at = archive_read_header_position(handle);
    if (pread(descriptor, header.data(), header.size(), at) != static_cast<ssize_t>(header.size()) ||
        little_endian(header.data(), 4) != 0x04034b50)
      throw Failure(FailureKind::unprocessable, "the bundle is no plain zip");
    std::string name(little_endian(&header[26], 2), '\0');
    if (pread(descriptor, name.data(), name.size(), at + static_cast<la_int64_t>(kZipHeader)) !=
        static_cast<ssize_t>(name.size()))
      throw Failure(FailureKind::unprocessable, "the bundle is no whole zip");
    return name;
  }

  archive* const handle;
  const int descriptor;
};

BundleReader::BundleReader(std::string path, BundleLimits limits)
    : limits_(limits), archive_(std::make_unique<Archive>(path)) {
  archive* const handle = archive_->handle;
  archive_read_support_format_zip_seekable(handle);
  archive_read_support_format_tar(handle);
  archive_read_support_filter_gzip(handle);
  if (archive_->descriptor < 0 || archive_read_open_filename(handle, path.c_str(), 64 * 1024) != ARCHIVE_OK)
    throw Failure(FailureKind::unprocessable, "the bundle is no zip, tar or tar.gz");
}

BundleReader::~BundleReader() = default;

std::uint64_t BundleReader::packed_bytes_read() const {
  return static_cast<std::uint64_t>(std::max<la_int64_t>(archive_filter_bytes(archive_->handle, -1), 0));
}

// Each folder on the way to it too: "A/x" and "a/y" are one folder to some systems.
void BundleReader::judge_name(const std::string& path, bool folder) {
  if (const auto wrong = wrong_with_path(path)) refuse(path, *wrong);
  for (std::size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
    const bool whole = slash == path.npos;
    const std::string part = path.substr(0, slash);
    const bool part_is_folder = !whole || folder;
    const auto [place, fresh] = seen_.try_emplace(lower(part), part, part_is_folder);
    if (!fresh) {
      const auto& [spelt, was_folder] = place->second;
      if (spelt != part) refuse(path, fmt::format("differs from \"{}\" by capitals alone", shown(spelt)));
      if (!part_is_folder || !was_folder) refuse(path, "is there twice");
    }
    if (whole) return;
  }
}

std::optional<BundleFile> BundleReader::next() {
  archive* const handle = archive_->handle;
  for (;;) {
    archive_entry* entry = nullptr;
    const int read = archive_read_next_header(handle, &entry);
    if (read == ARCHIVE_EOF) return std::nullopt;
    if (read != ARCHIVE_OK && read != ARCHIVE_WARN)
      throw Failure(
          FailureKind::unprocessable,
          fmt::format("the bundle can't be read after {} entries: it is cut off, or no zip, tar or tar.gz", entries_));
    BundleFile file{.path = archive_->name_of(entry), .bytes = {}};
    if (++entries_ > limits_.entries)
      refuse(file.path, fmt::format("is one too many: {} are allowed", limits_.entries));
    const bool folder = archive_entry_filetype(entry) == AE_IFDIR;
    if (folder && file.path.size() > 1 && file.path.ends_with('/')) file.path.pop_back();
    if (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK) refuse(file.path, "is a link");
    if (!folder && archive_entry_filetype(entry) != AE_IFREG) refuse(file.path, "is neither a file nor a folder");
    if (archive_entry_is_encrypted(entry)) refuse(file.path, "is encrypted");
    judge_name(file.path, folder);
    if (folder) continue;

    std::array<char, 64 * 1024> part;
    for (;;) {
      const la_ssize_t count = archive_read_data(handle, part.data(), part.size());
      if (count < 0) refuse(file.path, "is not what the archive says of it: its size or its checksum is wrong");
      if (count == 0) break;
      file.bytes.append(part.data(), static_cast<std::size_t>(count));
      unpacked_ += static_cast<std::uint64_t>(count);
      if (file.bytes.size() > limits_.file) refuse(file.path, fmt::format("is larger than {} MB", limits_.file >> 20));
      if (unpacked_ > limits_.unpacked)
        refuse(file.path, fmt::format("is beyond the {} MB that all files together may have", limits_.unpacked >> 20));
    }
    if (archive_entry_size_is_set(entry) && archive_entry_size(entry) != static_cast<la_int64_t>(file.bytes.size()))
      refuse(file.path, "is not as large as the archive says");
    if (const auto secret = secret_in(file.bytes)) refuse(file.path, fmt::format("holds {}", *secret));
    return file;
  }
}

}  // namespace marketplace
