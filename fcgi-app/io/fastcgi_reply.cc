#include "io/fastcgi_reply.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "io/send_now.h"
#include "wire/fastcgi.h"

namespace plugfleet {
namespace {

constexpr std::size_t kCopiedMax = 16 * 1024;  // of a body
constexpr std::size_t kPiecesAWrite = 64;
constexpr std::size_t kRecordsRoom = 64;  // the headers and the end of a reply that is one record

}  // namespace

void FastcgiReply::set(std::uint16_t request_id, const Reply& reply) {
  assert(pieces_.empty());
  std::string head = cgi_header(reply);
  std::string& first = owned_.emplace_back();
  if (reply.body.size() <= kCopiedMax) {
    head += reply.body;
    first.reserve(head.size() + kRecordsRoom);
    append_stdout(first, request_id, head);
    append_end(first, request_id);
    pieces_.push_back(first);
    return;
  }
  append_stdout(first, request_id, head);
  pieces_.push_back(first);
  for (std::string_view rest = reply.body; !rest.empty();) {
    const std::string_view part = rest.substr(0, kFastcgiContentMax);
    pieces_.push_back(owned_.emplace_back(stdout_header(request_id, part.size())));
    pieces_.push_back(part);
    rest.remove_prefix(part.size());
  }
  append_end(owned_.emplace_back(), request_id);
  pieces_.push_back(owned_.back());
}

FastcgiReply::Sent FastcgiReply::send(int fd) {
  while (!pieces_.empty()) {
    std::array<iovec, kPiecesAWrite> parts;
    const std::size_t count = std::min(pieces_.size(), parts.size());
    for (std::size_t i = 0; i < count; ++i) parts[i] = {const_cast<char*>(pieces_[i].data()), pieces_[i].size()};
    const auto sent = send_now(fd, std::span(parts).first(count));
    if (!sent) return Sent::peer_gone;
    if (*sent == 0) return Sent::some;
    take_off(*sent);
  }
  return Sent::all;
}

void FastcgiReply::take_off(std::size_t sent) {
  while (sent > 0) {
    std::string_view& first = pieces_.front();
    const std::size_t part = std::min(sent, first.size());
    first.remove_prefix(part);
    sent -= part;
    if (first.empty()) pieces_.pop_front();
  }
}

void FastcgiReply::clear() {
  pieces_.clear();
  owned_.clear();
}

}  // namespace plugfleet
