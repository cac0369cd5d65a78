// What others' servers are to a test.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "support/check.h"

namespace plugfleet::test {

// A server on a thread of its own that answers every request with `answer` and keeps the connection; an empty answer is
// silence. Bodies are read by their Content-Length.
class Server {
 public:
  explicit Server(std::string answer) : answer_(std::move(answer)) {
    listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    CHECK_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size), 0);
    CHECK_EQ(::listen(listening_, 8), 0);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    url = fmt::format("http://127.0.0.1:{}/x", ntohs(address.sin_port));
    thread_ = std::thread([this] { accept_all(); });
  }
  ~Server() {
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
  }

  // What it answers from now on.
  void say(std::string answer) {
    const std::lock_guard lock(lock_);
    answer_ = std::move(answer);
  }

  std::string url;
  std::atomic<int> connections = 0, requests = 0, left = 0;
  std::atomic<int> answers_a_connection = 1000;  // then a request is read and the connection closed
  std::string last;                              // the last request, whole; read it once its answer has come

 private:
  void accept_all() {
    for (int fd; (fd = ::accept(listening_, nullptr, nullptr)) >= 0;) {
      ++connections;
      serve(fd);
      ++left;
      ::close(fd);
    }
  }

  void serve(int fd) {
    std::string bytes;
    char buffer[65536];
    int answered = 0;
    for (ssize_t got; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      bytes.append(buffer, static_cast<std::size_t>(got));
      const std::size_t end = bytes.find("\r\n\r\n");
      const std::size_t length = bytes.find("Content-Length: ");
      if (end == bytes.npos) continue;
      if (length < end && bytes.size() < end + 4 + std::stoul(bytes.substr(length + 16))) continue;
      last = std::exchange(bytes, {});
      ++requests;
      if (answered++ == answers_a_connection) return;
      const std::lock_guard lock(lock_);
      ::send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
    }
  }

  std::mutex lock_;
  std::string answer_;
  int listening_ = -1;
  std::thread thread_;
};

inline std::string answer(std::string_view status, std::string_view body, std::string_view headers = "") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), headers, body);
}

}  // namespace plugfleet::test
