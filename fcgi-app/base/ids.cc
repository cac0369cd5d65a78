#include "base/ids.h"

#include <pthread.h>
#include <sys/random.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace plugfleet {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// Drawn from the kernel a page at a time: a system call for each id would cost more than the id.
class Pool {
 public:
  void take(std::span<std::uint8_t> out) {
    if (out.size() > bytes_.size()) return draw(out);
    if (used_ + out.size() > bytes_.size()) {
      draw(bytes_);
      used_ = 0;
    }
    std::memcpy(out.data(), bytes_.data() + used_, out.size());
    std::memset(bytes_.data() + used_, 0, out.size());
    used_ += out.size();
  }

  void forget() { used_ = bytes_.size(); }

 private:
  static void draw(std::span<std::uint8_t> out) {
    for (std::size_t done = 0; done < out.size();) {
      const auto got = getrandom(out.data() + done, out.size() - done, 0);
      if (got > 0) done += static_cast<std::size_t>(got);
    }
  }

  std::array<std::uint8_t, 4096> bytes_{};
  std::size_t used_ = bytes_.size();
};

thread_local Pool pool;

// A forked child must not repeat its parent's ids.
const int child_forgets = ::pthread_atfork(nullptr, nullptr, [] { pool.forget(); });

}  // namespace

void fill_random(std::span<std::uint8_t> bytes) { pool.take(bytes); }

std::uint64_t random_u64() {
  std::array<std::uint8_t, 8> bytes;
  pool.take(bytes);
  std::uint64_t value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string random_hex(std::size_t count) {
  std::string bytes(count, '\0');
  pool.take({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  std::string hex;
  hex.reserve(count * 2);
  for (const unsigned char byte : bytes) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

std::string uuid_v4() {
  std::string id = random_hex(16);
  id[12] = '4';
  id[16] = "89ab"[random_u64() & 3];
  for (const std::size_t dash : {8, 13, 18, 23}) id.insert(dash, 1, '-');
  return id;
}

std::optional<std::string> canonical_uuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  std::string id(text);
  for (std::size_t i = 0; i < id.size(); ++i) {
    const auto c = static_cast<unsigned char>(id[i]);
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? c != '-' : !std::isxdigit(c)) return std::nullopt;
    id[i] = static_cast<char>(std::tolower(c));
  }
  return id;
}

}  // namespace plugfleet
