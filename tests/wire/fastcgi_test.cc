#include "wire/fastcgi.h"

#include "support/check.h"
#include "support/fastcgi_client.h"

using namespace plugfleet;
using test::record;
using test::request_bytes;

namespace {

struct Seen {
  std::string path, body;
  int begun = 0, ended = 0, aborted = 0;
  FastcgiParser parser{{.begin =
                            [this](FastcgiParams params) {
                              ++begun;
                              path = params["REQUEST_URI"];
                            },
                        .body = [this](std::string_view part) { body += part; },
                        .end = [this] { ++ended; },
                        .abort = [this] { ++aborted; }}};
};

std::string fault_of(const std::string& bytes) {
  Seen seen;
  return seen.parser.feed(bytes) ? "" : std::string(seen.parser.fault());
}

}  // namespace

TEST(a_request_is_the_same_wherever_its_bytes_are_split) {
  const std::string bytes =
      request_bytes(1, {{"REQUEST_URI", "/a"}, {"LONG", std::string(300, 'x')}}, "body text", true);
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    Seen seen;
    CHECK(seen.parser.feed(std::string_view(bytes).substr(0, split)));
    CHECK(seen.parser.feed(std::string_view(bytes).substr(split)));
    CHECK_EQ(seen.path, "/a");
    CHECK_EQ(seen.body, "body text");
    CHECK_EQ(seen.ended, 1);
    CHECK(seen.parser.keep_connection());
  }
}

TEST(a_request_is_the_same_byte_by_byte_with_padding) {
  std::string bytes = request_bytes(7, {{"REQUEST_URI", "/b"}}, "", false);
  bytes.resize(bytes.size() - 8);  // without the end of STDIN
  bytes += record(5, 7, "hello", 3) + record(5, 7, "", 0);
  Seen seen;
  for (const char byte : bytes) CHECK(seen.parser.feed({&byte, 1}));
  CHECK_EQ(seen.body, "hello");
  CHECK_EQ(seen.ended, 1);
  CHECK(!seen.parser.keep_connection());
}

TEST(two_requests_follow_each_other_on_one_connection) {
  Seen seen;
  CHECK(seen.parser.feed(request_bytes(1, {{"REQUEST_URI", "/1"}}, "", true) +
                         request_bytes(1, {{"REQUEST_URI", "/2"}}, "", true)));
  CHECK_EQ(seen.begun, 2);
  CHECK_EQ(seen.path, "/2");
}

TEST(an_abort_is_told) {
  Seen seen;
  std::string bytes = request_bytes(1, {}, "", true);
  bytes.resize(bytes.size() - 8);
  CHECK(seen.parser.feed(bytes + record(2, 1, "", 0)));
  CHECK_EQ(seen.aborted, 1);
}

TEST(broken_streams_are_refused_not_guessed_at) {
  const std::string good = request_bytes(1, {{"A", "b"}}, "", true);
  std::string version = good;
  version[0] = 2;
  CHECK_CONTAINS(fault_of(version), "version");
  CHECK_CONTAINS(fault_of(record(4, 1, "xx", 0)), "not begun");
  CHECK_CONTAINS(fault_of(record(9, 0, "", 0)), "unknown type");
  CHECK_CONTAINS(fault_of(record(1, 1, "short", 0)), "wrong shape");
  CHECK_CONTAINS(fault_of(good.substr(0, 16) + good), "second request");
  const std::string begin = good.substr(0, 16);
  CHECK_CONTAINS(fault_of(begin + record(4, 1, std::string("\xff\xff\xff\xff\x01", 5), 0) + record(4, 1, "", 0)),
                 "wrong shape");
  CHECK_CONTAINS(fault_of(begin + record(5, 1, "early", 0)), "out of place");
  std::string large = begin;
  for (int i = 0; i < 2; ++i) large += record(4, 1, std::string(60'000, 'p'), 0);
  CHECK_CONTAINS(fault_of(large), "more parameters");
}

TEST(a_long_reply_is_cut_into_records) {
  std::string out;
  append_stdout(out, 1, std::string(kFastcgiContentMax + 10, 'z'));
  CHECK_EQ(out.size(), kFastcgiContentMax + 10 + 16);
  CHECK_EQ(static_cast<unsigned char>(out[4]) * 256u + static_cast<unsigned char>(out[5]), kFastcgiContentMax);
}
