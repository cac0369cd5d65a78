// Sending on a socket without waiting.
#pragma once

#include <sys/uio.h>

#include <optional>
#include <span>

namespace plugfleet {

// How many bytes of `parts`, in their order, the kernel took: 0 where it takes none now; none where the peer is gone.
std::optional<std::size_t> send_now(int fd, std::span<iovec> parts);

}  // namespace plugfleet
