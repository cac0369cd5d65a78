#include "io/send_now.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "support/check.h"

using namespace plugfleet;

namespace {

struct Pair {
  Pair() { CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0); }  // blocking: it is the call that does not wait
  ~Pair() {
    ::close(ends[0]);
    if (ends[1] >= 0) ::close(ends[1]);
  }
  int ends[2];
};

std::optional<std::size_t> send(int fd, std::string one, std::string two) {
  std::array<iovec, 2> parts{{{one.data(), one.size()}, {two.data(), two.size()}}};
  return send_now(fd, parts);
}

}  // namespace

TEST(parts_go_out_together_and_in_their_order) {
  const Pair pair;
  CHECK_EQ(send(pair.ends[0], "ab", "c").value(), 3u);
  std::array<char, 8> got;
  CHECK_EQ(::recv(pair.ends[1], got.data(), got.size(), 0), 3);
  CHECK_EQ(std::string_view(got.data(), 3), "abc");
}

TEST(a_kernel_that_takes_no_more_is_not_waited_for) {
  const Pair pair;
  const std::string much(100'000, 'x');
  std::size_t sent = 0, last = 1;
  while (last > 0) sent += last = send(pair.ends[0], much, much).value();
  CHECK(sent >= much.size());
}

TEST(a_peer_that_is_gone_is_told_and_ends_no_process) {
  Pair pair;
  ::close(std::exchange(pair.ends[1], -1));
  CHECK(!send(pair.ends[0], "a", "b"));  // no SIGPIPE
}
