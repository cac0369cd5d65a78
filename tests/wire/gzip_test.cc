#include "wire/gzip.h"

#include <zlib.h>

#include "base/ids.h"
#include "support/check.h"

using namespace plugfleet;

namespace {

std::string unpacked(const std::string& bytes) {
  z_stream stream{};
  CHECK_EQ(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

}  // namespace

TEST(what_is_packed_is_what_comes_out) {
  for (const std::string& text : {std::string(), std::string("a"), std::string(100'000, 'x'), random_hex(50'000)})
    CHECK(unpacked(gzip(text)) == text);
  CHECK(gzip(std::string(100'000, 'x')).size() < 1000);
}

TEST(a_client_says_whether_it_takes_gzip) {
  for (const char* yes :
       {"gzip", "deflate, gzip", "GZIP", "gzip;q=0.5, *;q=0", "br;q=1.0, gzip;q=0.001", "*", "x-gzip"})
    CHECK(accepts_gzip(yes));
  for (const char* no : {"", "identity", "br", "gzip;q=0", "gzip; q=0.000", "*, gzip;q=0", "*;q=0", "gzipped"})
    CHECK(!accepts_gzip(no));
}
