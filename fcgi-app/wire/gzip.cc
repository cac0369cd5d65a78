#include "wire/gzip.h"

#include <zlib.h>

#include <optional>
#include <stdexcept>

#include "base/text.h"

namespace plugfleet {
namespace {

constexpr int kLevel = 6;              // as nginx's (conf/nginx/nginx.conf)
constexpr int kGzip = MAX_WBITS + 16;  // with gzip's header
constexpr int kMemory = 8;             // zlib's default

}  // namespace

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, kLevel, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib does not begin");
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int ended = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (ended != Z_STREAM_END) throw std::runtime_error("zlib does not end");
  return packed;
}

bool accepts_gzip(std::string_view accept_encoding) {
  std::optional<bool> gzip, any;
  while (!accept_encoding.empty()) {
    const std::size_t comma = accept_encoding.find(',');
    std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding = comma == accept_encoding.npos ? std::string_view() : accept_encoding.substr(comma + 1);
    const std::size_t semicolon = item.find(';');
    const std::string_view coding = trimmed(item.substr(0, semicolon));
    bool taken = true;
    if (semicolon != item.npos) {
      const std::string_view weight = trimmed(item.substr(semicolon + 1));
      taken = !(weight.starts_with("q=0") || weight.starts_with("Q=0")) ||
              weight.find_first_of("123456789", 3) != weight.npos;
    }
    if (equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip")) gzip = taken;
    if (coding == "*") any = taken;
  }
  return gzip.value_or(any.value_or(false));
}

}  // namespace plugfleet
