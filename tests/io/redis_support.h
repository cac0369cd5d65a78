// What the tests of Redis share: one that is there for all, and one of a test's own.
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "io/redis.h"
#include "support/async.h"
#include "support/check.h"

namespace plugfleet::test {

inline std::string shared_socket() {
  const char* path = getenv("PLUGFLEET_TEST_REDIS");
  if (!path) fail("set PLUGFLEET_TEST_REDIS to the unix socket of a Redis to write into; `make test` does");
  return path;
}

// A Redis of the test's own, to be stopped, killed and started again.
class RedisServer {
 public:
  RedisServer() {
    CHECK(mkdtemp(directory_.data()));
    start();
  }
  ~RedisServer() {
    end();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  // `config`: a file that it reads first.
  void start(std::vector<std::string> extra = {}, const std::string& config = {}) {
    std::vector<std::string> words{
        "redis-server", "--port", "0",     "--unixsocket", socket(),    "--save",           "",
        "--appendonly", "no",     "--dir", directory_,     "--logfile", directory_ + "/log"};
    words.insert(words.end(), extra.begin(), extra.end());
    if (!config.empty()) words.insert(words.begin() + 1, config);
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // where the test crashes
      execvp(arguments[0], arguments.data());
      _exit(127);
    }
  }
  void end() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void send(int signal) { kill(pid_, signal); }
  std::string socket() const { return directory_ + "/redis.sock"; }

 private:
  std::string directory_ = "/tmp/plugfleet-redis-XXXXXX";
  pid_t pid_ = 0;
};

// Returns when the channel has so many subscribers.
inline Async<void> listeners_are(Redis& redis, std::string channel, std::int64_t number) {
  std::int64_t there = -1;
  for (const auto deadline = Clock::now() + 8s; there != number;) {
    if (Clock::now() > deadline) fail(fmt::format("{} has {} subscribers", channel, there));
    const auto reply = co_await redis.command({"PUBSUB", "NUMSUB", channel});
    there = reply.items.at(1).integer;
  }
}

// A number of INFO: "cmdstat_subscribe:calls=".
inline Async<std::int64_t> told_by_info(Redis& redis, std::string section, std::string label) {
  const auto reply = co_await redis.command({"INFO", section});
  const auto at = reply.text.find(label);
  co_return at == std::string::npos ? 0 : std::stoll(reply.text.substr(at + label.size()));
}

}  // namespace plugfleet::test
