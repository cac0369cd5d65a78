// The edge on a socket of its own, and one connection to it, as nginx would have.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "io/fastcgi.h"
#include "support/check.h"
#include "support/fastcgi_client.h"

namespace plugfleet::test {

class Edge {
 public:
  explicit Edge(Reactor& its_reactor) : reactor(its_reactor) {
    path_ = std::filesystem::temp_directory_path() / ("plugfleet-edge-" + std::to_string(getpid()) + ".sock");
    ::unlink(path_.c_str());
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_un address{.sun_family = AF_UNIX};
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    CHECK_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    CHECK_EQ(::listen(listening_, 16), 0);
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Edge() {
    end();
    ::close(listening_);
    ::unlink(path_.c_str());
  }

  void serve(FastcgiHandler& handler, FastcgiOptions options = {}) {
    server.emplace(reactor, listening_, handler, options);
  }

  // Before the handler goes.
  void end() {
    hang_up();
    server.reset();
  }

  void hang_up() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  Async<void> send(std::string bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const auto wrote = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (wrote > 0) done += static_cast<std::size_t>(wrote);
      if (wrote <= 0) co_await sleep_for(1ms);
    }
  }

  // Reads until one END_REQUEST has come; gives the STDOUT text.
  Async<std::string> reply() {
    std::string records;
    char buffer[65536];
    for (;;) {
      const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
      if (got == 0) co_return "(closed)";
      if (got < 0) {
        co_await sleep_for(1ms);
        continue;
      }
      records.append(buffer, static_cast<std::size_t>(got));
      if (records.size() >= 16 && records[records.size() - 15] == 3 && records[records.size() - 16] == 1) {
        co_return stdout_text(records);
      }
    }
  }

  Reactor& reactor;
  std::optional<FastcgiServer> server;

 private:
  std::string path_;
  int listening_ = -1, fd_ = -1;
};

}  // namespace plugfleet::test
