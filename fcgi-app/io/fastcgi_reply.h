// The sending side of one whole reply: its records, sent as the kernel takes them. A small reply is copied into one
// write; a large one's body is sent from where it is. For a reply that is a stream see io/fastcgi_stream.h.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "wire/reply.h"

namespace plugfleet {

class FastcgiReply {
 public:
  // What became of an attempt to send what is left.
  enum class Sent { all, some, peer_gone };

  // `reply` must stay as it is until all has been sent, or clear() is called.
  void set(std::uint16_t request_id, const Reply& reply);
  Sent send(int fd);
  void clear();

 private:
  void take_off(std::size_t sent);

  std::deque<std::string> owned_;  // a deque: views into its strings stay good
  std::deque<std::string_view> pieces_;
};

}  // namespace plugfleet
