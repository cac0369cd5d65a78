// gzip (RFC 1952), and what a client says of the codings it takes.
#pragma once

#include <string>
#include <string_view>

namespace plugfleet {

// About 20 ms for a megabyte of JSON: offload what is large.
std::string gzip(std::string_view bytes);

// Whether `Accept-Encoding` lets a reply be gzip (RFC 9110 section 12.5.3): named, or by *, and not with a weight of 0.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace plugfleet
