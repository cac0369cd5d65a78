#include "io/fastcgi.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/log.h"
#include "io/fastcgi_connection.h"

namespace plugfleet {
namespace {

constexpr int kAcceptsATurn = 128;  // few turns for a burst; the rest is for who shares the socket
constexpr auto kBeginFor = 50us;    // a turn, but at least one
constexpr auto kDeadlinesEvery = 100ms;
constexpr auto kLastAnswersFor = 1s;  // once a drain's time is over
constexpr auto kAcceptPause = 100ms;  // out of descriptors: trying again at once would spin
constexpr std::size_t kKeptParamMax = 256;

}  // namespace

// ---- Incoming -----------------------------------------------------------------------------------------------------

void Incoming::keep_only(std::initializer_list<std::string_view> names) {
  const auto kept_value = [this](std::string_view name) { return param(name).substr(0, kKeptParamMax); };
  std::size_t size = 0;
  for (const std::string_view name : names) size += kept_value(name).size();
  FastcgiParams kept;
  kept.bytes.reserve(size);  // so that views into it stay good
  kept.list.reserve(names.size());
  for (const std::string_view name : names) {
    const std::string_view value = kept_value(name);
    const char* const at = kept.bytes.data() + kept.bytes.size();
    kept.bytes.insert(kept.bytes.end(), value.begin(), value.end());
    kept.list.emplace_back(name, std::string_view(at, value.size()));
  }
  params_ = std::move(kept);
}

Async<std::string_view> Incoming::body(std::size_t max) { return connection_->take_body(max); }
Async<std::string> Incoming::body_part(std::size_t max) { return connection_->take_part(max); }

// ---- The server ---------------------------------------------------------------------------------------------------

FastcgiServer::FastcgiServer(Reactor& reactor, int fd, FastcgiHandler& handler, FastcgiOptions options)
    : reactor_(reactor),
      handler_(handler),
      options_(options),
      fd_(fd),
      listening_(reactor, fd, [this] { accept_some(); }, {}),
      accept_pause_(reactor),
      drain_deadline_(reactor),
      deadlines_(reactor),
      next_turn_(reactor) {
  // Another process may take the connection between our waking and our accept4.
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  listening_.want_read(true);
}

FastcgiServer::~FastcgiServer() = default;

void FastcgiServer::accept_some() {
  for (int left = kAcceptsATurn; left > 0 && accept_one(); --left) {
  }
}

// Whether there may be another to accept.
bool FastcgiServer::accept_one() {
  if (drained_) return false;
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      log(Severity::error, "accept_failed", {{"errno", errno}});
      listening_.want_read(false);
      accept_pause_.arm(kAcceptPause, [this] {
        if (!drained_) listening_.want_read(true);
      });
    }
    return false;
  }
  // Over TCP: no waiting to fill a packet, and what a host that was cut off left behind ends. Refused by a unix socket.
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const auto connection = std::make_shared<FastcgiConnection>(*this, fd);
  connections_.insert(connection);
  if (!deadlines_.armed()) check_deadlines();
  connection->readable();  // its request has mostly come with it
  if (static_cast<int>(connections_.size()) < options_.connections_max) return true;
  listening_.want_read(false);
  return false;
}

void FastcgiServer::begin_in_turn(std::weak_ptr<FastcgiConnection> connection) {
  to_begin_.push_back(std::move(connection));
  if (!next_turn_.armed()) next_turn_.arm(0s, [this] { begin_some(); });
}

// Of those that are still there.
void FastcgiServer::begin_some() {
  const auto until = Clock::now() + kBeginFor;
  while (!to_begin_.empty() && Clock::now() < until) {
    const auto connection = to_begin_.front().lock();
    to_begin_.pop_front();
    if (connection) connection->serve();
  }
  if (!to_begin_.empty()) next_turn_.arm(0s, [this] { begin_some(); });
}

void FastcgiServer::check_deadlines() {
  const auto now = Clock::now();
  std::vector<std::shared_ptr<FastcgiConnection>> late;  // cutting one off may close it
  for (const auto& connection : connections_) {
    if (connection->late(now)) late.push_back(connection);
  }
  for (const auto& connection : late) connection->cut_off();
  if (!connections_.empty()) deadlines_.arm(kDeadlinesEvery, [this] { check_deadlines(); });
}

void FastcgiServer::closed(const std::shared_ptr<FastcgiConnection>& connection) {
  connections_.erase(connection);
  if (drained_) {
    if (connections_.empty()) std::exchange(drained_, {})();
  } else if (static_cast<int>(connections_.size()) < options_.connections_max) {
    listening_.want_read(true);
  }
}

void FastcgiServer::drain(Clock::duration deadline, std::function<void()> drained) {
  listening_.want_read(false);
  drained_ = std::move(drained);
  for (const auto& connection : connections_) connection->end_stream();
  if (connections_.empty())
    return reactor_.later([this] {
      if (drained_) std::exchange(drained_, {})();
    });
  drain_deadline_.arm(deadline, [this] { end_drain(); });
}

void FastcgiServer::end_drain() {
  drain_deadline_.arm(kLastAnswersFor, [this] {
    const auto all = connections_;
    for (const auto& connection : all) connection->close(FastcgiConnection::drain_is_over());
  });
  const auto all = connections_;
  const auto cut_off = std::ranges::count_if(all, [](const auto& connection) { return connection->end_drain(); });
  log(Severity::warning, "drain_over", {{"cutOff", cut_off}});
}

}  // namespace plugfleet
