// The sending side of one streamed reply. Each write() is sent at once, as a record of its own and without a copy,
// while the kernel takes all of it; what it does not take waits here.
//
//   opening --flush()--> open --end()--> ending --all sent--> over
//                        open, ending --peer gone, too far behind--> over (broken)
//
// 1. What opened() writes goes out together with the header, in one piece and however large it is.
// 2. After that at most kStreamPendingMax and one part wait: a client that is further behind when more comes is given
//    up. So one part may be of any size.
// 3. The owner's calls never end the stream inside themselves: `changed` is called, and the connection looks later.
// 4. Nothing is held while nothing waits.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "wire/reply.h"

namespace plugfleet {

inline constexpr std::size_t kStreamPendingMax = 256 * 1024;

class FastcgiStream final : public BodySink {
 public:
  // `fd` stays the caller's. `changed` is called from within write() and end() where something waits now, or the stream
  // is over.
  FastcgiStream(int fd, std::uint16_t request_id, std::string_view header, std::function<void()> changed);

  void write(std::string_view part) override;
  void end() override;

  // Sends of what waits as much as the kernel takes.
  void flush();
  // From here on write() and end() do nothing.
  void give_up();

  bool waiting() const { return !pending_.empty(); }
  bool broken() const { return state_ == State::broken; }
  bool over() const { return broken() || (state_ == State::ending && !waiting()); }
  // Whether the peer has taken nothing of what waits for `patience`.
  bool stuck(Clock::time_point now, Clock::duration patience) const { return waiting() && now - progress_ >= patience; }
  std::size_t written() const { return written_; }

 private:
  enum class State { opening, open, ending, broken };

  std::size_t send(std::string_view first, std::string_view second = {});

  const int fd_;
  const std::uint16_t request_id_;
  State state_ = State::opening;
  std::string pending_;
  Clock::time_point progress_;  // when the peer last took some, or nothing waited
  std::size_t written_ = 0;
  std::function<void()> changed_;
};

}  // namespace plugfleet
