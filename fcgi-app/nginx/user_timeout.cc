// Preloaded into nginx (LD_PRELOAD), which has no directive for it: a client that acknowledges nothing of what was sent
// for a minute is gone, as one is that takes nothing for so long (send_timeout). Without it the kernel sends again for
// a quarter of an hour, and an event stream whose link was cut, or whose laptop was closed, stays open as long. What is
// set for a socket that listens (TCP_USER_TIMEOUT, tcp(7)) holds for the connections that it accepts.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" int listen(int fd, int backlog) noexcept {
  const unsigned int milliseconds = 60'000;
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
  return static_cast<int>(::syscall(SYS_listen, fd, backlog));
}
