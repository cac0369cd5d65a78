#include "core/prompts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <tuple>

#include "base/utf8.h"

namespace plugfleet {
namespace {

constexpr std::string_view kSuffix = ".txt";
constexpr std::size_t kStemMax = 100, kTextMax = 64 * 1024;

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// So one component of a path: no slash, no NUL, neither "." nor "..".
bool is_prompt_name(std::string_view filename) {
  if (!filename.ends_with(kSuffix)) return false;
  const std::string_view stem = filename.substr(0, filename.size() - kSuffix.size());
  return !stem.empty() && stem.size() <= kStemMax && is_letter_or_digit(stem.front()) &&
         std::ranges::all_of(stem, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

// "dark-mode" -> "Dark Mode"
std::string title_of(std::string_view id) {
  std::string title;
  bool word_begins = false;
  for (const char c : id) {
    if (c == '-' || c == '_') {
      word_begins = !title.empty();
      continue;
    }
    const bool capital = (word_begins || title.empty()) && c >= 'a' && c <= 'z';
    if (word_begins) title += ' ';
    title += capital ? static_cast<char>(c - 'a' + 'A') : c;
    word_begins = false;
  }
  return title;
}

// At most one byte more than a prompt may have; none where it can't be read.
std::optional<std::string> text_of(int file) {
  std::string text(kTextMax + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

bool is_prompt_text(std::string_view text) {
  return text.size() <= kTextMax && text.find_first_not_of(" \t\r\n") != text.npos && !text.contains('\0') &&
         is_utf8(text);
}

std::optional<std::string> read_prompt(int folder, const std::string& filename) {
  // O_NONBLOCK: else opening a FIFO would wait for a writer.
  const int file = ::openat(folder, filename.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  struct stat facts{};
  std::optional<std::string> text;
  if (::fstat(file, &facts) == 0 && S_ISREG(facts.st_mode)) text = text_of(file);
  ::close(file);
  if (text && !is_prompt_text(*text)) text.reset();
  return text;
}

}  // namespace

Prompts Prompts::of(std::string_view module) const {
  std::string folder = folder_;
  if (const std::size_t star = folder.rfind('*'); star != folder.npos) folder.replace(star, 1, module);
  return Prompts(std::move(folder));
}

std::vector<PromptFile> Prompts::list(std::string_view default_file) const {
  std::vector<PromptFile> found;
  const Folder folder(::opendir(folder_.c_str()));
  if (!folder) return found;
  while (const dirent* const entry = ::readdir(folder.get())) {
    const std::string filename = entry->d_name;
    if (!is_prompt_name(filename) || !read_prompt(::dirfd(folder.get()), filename)) continue;
    const std::string id = filename.substr(0, filename.size() - kSuffix.size());
    found.push_back({.id = id, .name = title_of(id), .filename = filename, .is_default = filename == default_file});
  }
  std::ranges::sort(
      found, {}, [](const PromptFile& prompt) { return std::tuple(!prompt.is_default, prompt.name, prompt.filename); });
  return found;
}

std::optional<std::string> Prompts::read(std::string_view filename) const {
  if (!is_prompt_name(filename)) return std::nullopt;
  const Folder folder(::opendir(folder_.c_str()));
  if (!folder) return std::nullopt;
  return read_prompt(::dirfd(folder.get()), std::string(filename));
}

}  // namespace plugfleet
