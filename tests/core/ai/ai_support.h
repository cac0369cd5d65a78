// An AI provider inside the test's process, on threads of its own, and an Ai that asks such providers.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "core/ai/ai.h"

namespace plugfleet::test {

struct Said {
  int status = 200;
  std::string text = "A Name";  // of an answer or of an error
  std::string headers{};        // whole lines
  milliseconds wait{0};         // before it is said
};

// Speaks chat completions, and OpenAI's way to images, which are Said::text. Each call is answered by `script`, which
// gets the call's key ("image KEY" where it is for an image) and how many such calls came before.
class TestProvider {
 public:
  using Script = std::function<Said(const std::string& key, int before)>;

  explicit TestProvider(Script script) : script_(std::move(script)) {
    listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    ::bind(listening_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listening_, 64);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    url = fmt::format("http://127.0.0.1:{}/v1", ntohs(address.sin_port));
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~TestProvider() {
    ::shutdown(listening_, SHUT_RDWR);
    acceptor_.join();
    for (const int fd : sockets_) ::shutdown(fd, SHUT_RDWR);
    for (std::thread& thread : threads_) thread.join();
    for (const int fd : sockets_) ::close(fd);
    ::close(listening_);
  }

  int calls(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return calls_[key];
  }
  int calls() {
    const std::lock_guard lock(mutex_);
    int sum = 0;
    for (const auto& [key, count] : calls_) sum += count;
    return sum;
  }

  std::string url;
  std::atomic<int> aborted = 0;  // by the client, before its answer

 private:
  void accept_all() {
    for (int fd; (fd = ::accept(listening_, nullptr, nullptr)) >= 0;) {
      sockets_.push_back(fd);
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }

  void serve(int fd) {
    std::string bytes;
    char buffer[65536];
    for (ssize_t got; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      bytes.append(buffer, static_cast<std::size_t>(got));
      const std::size_t end = bytes.find("\r\n\r\n"), length = bytes.find("Content-Length: ");
      if (end == bytes.npos || bytes.size() < end + 4 + std::stoul(bytes.substr(length + 16))) continue;
      const std::size_t bearer = bytes.find("Bearer ") + 7;
      const bool image = bytes.starts_with("POST /v1/images/");
      const Said said = ask_script((image ? "image " : "") + bytes.substr(bearer, bytes.find("\r\n", bearer) - bearer));
      bytes.clear();
      pollfd watched{.fd = fd, .events = POLLIN, .revents = 0};
      if (said.wait > 0ms && ::poll(&watched, 1, static_cast<int>(said.wait.count())) > 0) {
        ++aborted;
        return;
      }
      const std::string body =
          said.status == 200 && image ? fmt::format(R"({{"data":[{{"b64_json":"{}"}}]}})", said.text)
          : said.status == 200
              ? fmt::format(R"({{"choices":[{{"message":{{"content":"{}"}}}}],"usage":{{"prompt_tokens":3}}}})",
                            said.text)
              : fmt::format(R"({{"error":{{"message":"{}"}}}})", said.text);
      const std::string reply =
          fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", said.status, body.size(), said.headers, body);
      ::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
    }
  }

  Said ask_script(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return script_(key, calls_[key]++);
  }

  const Script script_;
  int listening_ = -1;
  std::mutex mutex_;
  std::map<std::string, int> calls_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// An Ai by these settings. There is no Redis: its breakers are this process's alone.
struct TestAi {
  TestAi(Reactor& reactor, std::map<std::string, std::string> values)
      : redis(reactor, {.address = "/nonexistent/redis.sock"}), http(reactor, 32) {
    SettingReader reader(std::move(values));
    settings.rows(reader);
    reader.finish();
    log_open("/dev/null", Severity::error);
    ai.emplace(reactor, http, redis, settings);
  }

  // The answer's text, or "status: message" of what it failed with, which is kept in `failed`.
  Async<std::string> ask(Clock::duration within = 9s, Prompt prompt = {.text = "name it"}) {
    try {
      const Completion completion = co_await ai->complete(std::move(prompt), {}, Clock::now() + within);
      co_return completion.text;
    } catch (const Failure& failure) {
      failed = failure;
      co_return fmt::format("{}: {}", info(failure.kind()).status, failure.message());
    }
  }

  Settings settings;
  Redis redis;
  HttpClient http;
  std::optional<Ai> ai;
  std::optional<Failure> failed;
};

}  // namespace plugfleet::test
