// The edge on a socket of its own, and connections to it, as nginx would have.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "io/fastcgi.h"
#include "support/check.h"
#include "support/fastcgi_client.h"

namespace plugfleet::test {

// nginx's end of a connection.
class Peer {
 public:
  Peer() = default;
  explicit Peer(const std::string& path) { connect(path); }
  Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)), come_(std::move(other.come_)) {}
  ~Peer() { hang_up(); }

  void connect(const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
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

  // The next record: the text of a STDOUT record, "(end)" for END_REQUEST, "(closed)" where the connection is.
  Async<std::string> record() {
    constexpr char kEnd = 3;
    for (;;) {
      const std::size_t size = first_record_size(come_);
      if (size > 0) {
        const std::string bytes = come_.substr(0, size);
        come_.erase(0, size);
        if (bytes[1] == kEnd) co_return "(end)";
        const std::string text = stdout_text(bytes);
        if (text.empty()) continue;  // what ends STDOUT
        co_return text;
      }
      char buffer[65536];
      const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
      if (got == 0 || (got < 0 && errno != EAGAIN)) co_return "(closed)";
      if (got < 0) co_await sleep_for(1ms);
      if (got > 0) come_.append(buffer, static_cast<std::size_t>(got));
    }
  }

  // A reply's whole text, or "(closed)".
  Async<std::string> reply() {
    for (std::string text;;) {
      const std::string part = co_await record();
      if (part == "(end)") co_return text;
      if (part == "(closed)") co_return part;
      text += part;
    }
  }

 private:
  int fd_ = -1;
  std::string come_;
};

// Is one Peer already.
class Edge : public Peer {
 public:
  explicit Edge(Reactor& its_reactor) : reactor(its_reactor) {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("plugfleet-edge-" + std::to_string(getpid()) + "-" + std::to_string(++count) + ".sock");
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_un address{.sun_family = AF_UNIX};
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ::unlink(path_.c_str());
    CHECK_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    CHECK_EQ(::listen(listening_, 512), 0);
    connect(path_);
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

  const std::string& path() const { return path_; }
  int listening() const { return listening_; }

  Reactor& reactor;
  std::optional<FastcgiServer> server;

 private:
  std::string path_;
  int listening_ = -1;
};

}  // namespace plugfleet::test
