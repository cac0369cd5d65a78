#include "io/fastcgi_stream.h"

#include <algorithm>
#include <array>
#include <utility>

#include "io/send_now.h"
#include "wire/fastcgi.h"

namespace plugfleet {

FastcgiStream::FastcgiStream(int fd, std::uint16_t request_id, std::string_view header, std::function<void()> changed)
    : fd_(fd), request_id_(request_id), progress_(Clock::now()), changed_(std::move(changed)) {
  append_stdout(pending_, request_id_, header);
}

void FastcgiStream::write(std::string_view part) {
  if (state_ == State::ending || state_ == State::broken) return;
  written_ += part.size();
  if (state_ == State::opening) return append_stdout(pending_, request_id_, part);
  if (pending_.size() > kStreamPendingMax) {
    give_up();
    return changed_();
  }
  if (!waiting()) progress_ = Clock::now();
  for (; !part.empty() && !broken(); part.remove_prefix(std::min(part.size(), kFastcgiContentMax))) {
    const std::string_view content = part.substr(0, kFastcgiContentMax);
    const std::string header = stdout_header(request_id_, content.size());
    const std::size_t sent = waiting() ? 0 : send(header, content);
    if (broken()) break;
    if (sent < header.size()) pending_.append(header, sent);
    if (sent < header.size() + content.size()) pending_.append(content.substr(sent - std::min(sent, header.size())));
  }
  if (waiting() || broken()) changed_();
}

void FastcgiStream::end() {
  if (state_ == State::ending || state_ == State::broken) return;
  const bool opening = std::exchange(state_, State::ending) == State::opening;
  if (!waiting()) progress_ = Clock::now();
  append_end(pending_, request_id_);
  if (opening) return;
  flush();
  changed_();
}

void FastcgiStream::flush() {
  if (state_ == State::opening) state_ = State::open;
  std::size_t sent = 0;
  while (sent < pending_.size()) {
    const std::size_t more = send(std::string_view(pending_).substr(sent));
    if (more == 0) break;
    sent += more;
  }
  if (sent == 0) return;
  progress_ = Clock::now();
  if (sent == pending_.size()) {
    pending_ = {};
  } else {
    pending_.erase(0, sent);
  }
}

void FastcgiStream::give_up() {
  state_ = State::broken;
  pending_ = {};
}

// How much the kernel took; 0 where it is full, or the peer is gone.
std::size_t FastcgiStream::send(std::string_view first, std::string_view second) {
  std::array<iovec, 2> parts{
      {{const_cast<char*>(first.data()), first.size()}, {const_cast<char*>(second.data()), second.size()}}};
  const auto sent = send_now(fd_, std::span(parts).first(second.empty() ? 1 : 2));
  if (!sent) give_up();
  return sent.value_or(0);
}

}  // namespace plugfleet
