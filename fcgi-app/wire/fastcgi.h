// FastCGI records (the Open Market FastCGI 1.0 specification, sections 3 to 5) for a responder, as pure text: a parser
// fed with whatever bytes have come, and functions that append records. The protocol's numbers and structs are libfcgi's
// (<fastcgi.h>).
//
// Why not libfcgi's code: its reader loses its place when a record's header arrives in two parts on a non-blocking socket,
// its writer blocks, and it aborts the process on hostile lengths. This one waits for nothing and trusts nothing.
//
// One request at a time on a connection, as nginx speaks it; a second BEGIN before the first has ended is refused.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugfleet {

struct FastcgiParams {
  std::vector<std::pair<std::string_view, std::string_view>> list;  // views into `bytes`, which stay put when moved
  std::vector<char> bytes;

  std::string_view operator[](std::string_view name) const;  // empty where there is none
  // A header that came in several lines, as the one line that means the same (RFC 9110 section 5.3).
  std::string joined(std::string_view name) const;
};

class FastcgiParser {
 public:
  // What the bytes meant. Called from within feed(), in the order of the stream.
  struct Events {
    std::function<void(FastcgiParams)> begin;    // the parameters are complete
    std::function<void(std::string_view)> body;  // some of STDIN
    std::function<void()> end;                   // STDIN has ended
    std::function<void()> abort;                 // the web server gave the request up
  };

  explicit FastcgiParser(Events events) : events_(std::move(events)) {}

  // False where the stream is broken; the connection is then of no more use. `fault()` says why.
  bool feed(std::string_view bytes);
  std::string_view fault() const { return fault_; }

  // Whether the web server wants the connection kept after this request.
  bool keep_connection() const { return keep_connection_; }
  std::uint16_t request_id() const { return request_id_; }

 private:
  enum class Stage { idle, params, body };

  bool broken(std::string_view why);
  bool header();
  bool content(std::string_view part, bool last);
  bool begin_request();
  bool params_complete();

  Events events_;
  Stage stage_ = Stage::idle;
  std::array<std::uint8_t, 8> header_{};  // of the record that is being read; what of it has come
  std::size_t header_have_ = 0;
  std::uint8_t type_ = 0;
  std::size_t content_left_ = 0, padding_left_ = 0;
  std::string begin_;  // the content of a BEGIN record
  std::vector<char> params_;
  std::uint16_t request_id_ = 0;
  bool keep_connection_ = false;
  std::string_view fault_;
};

// Appends STDOUT records holding `content`.
void append_stdout(std::string& out, std::uint16_t request_id, std::string_view content);
// The header of one STDOUT record over `size` bytes (at most kFastcgiContentMax) that the caller sends itself.
std::string stdout_header(std::uint16_t request_id, std::size_t size);
// Appends END_REQUEST with status 0, after the empty STDOUT record that ends the stream.
void append_end(std::string& out, std::uint16_t request_id);

inline constexpr std::size_t kFastcgiContentMax = 65528;  // 65,535 rounded down to whole 8 bytes: no padding
inline constexpr std::size_t kFastcgiParamsMax = 64 * 1024;

}  // namespace plugfleet
