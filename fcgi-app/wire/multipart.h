// A body of multipart/form-data (RFC 7578, over RFC 2046 section 5.1) as it arrives: a parser fed with whatever bytes have
// come. It holds one line of a part's head and no byte of a part's data, which it hands on as views into what it was fed.
//
// It takes what browsers, curl and the HTTP libraries write, and refuses the rest, since two readers that see different parts
// in one body are how checks are passed by: text before the first boundary or after the last, bare line feeds in a head,
// folded lines, parts in parts, encodings other than none, a boundary that goes on. How large a part's data may be is the
// caller's to count. A file's name is a stranger's text that nobody needs: it is not kept.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/failure.h"

namespace plugfleet {

inline constexpr std::size_t kMultipartHeadMax = 4096;  // bytes of one part's header lines
inline constexpr std::size_t kMultipartNameMax = 100;   // bytes of a part's name

// The boundary that a Content-Type names, 1 to 70 characters (RFC 2046 section 5.1.1); else what is wrong with it.
std::expected<std::string, Detail> multipart_boundary(std::string_view content_type);

struct PartHead {
  std::string name;      // of the form's field: UTF-8 without control characters, never empty
  bool is_file = false;  // it has a file's name
};

class MultipartParser {
 public:
  // What the bytes meant. Called from within feed(), in the order of the body: begin, data any number of times, end.
  struct Events {
    std::function<void(PartHead)> begin;
    std::function<void(std::string_view)> data;  // never empty
    std::function<void()> end;
  };

  // `boundary` is as multipart_boundary() returned it.
  MultipartParser(std::string_view boundary, std::size_t parts_max, Events events);

  // False where the body is broken; fault() then says which part is, and no event follows.
  bool feed(std::string_view bytes);
  // After the body's last byte: whether its last boundary had come.
  bool finish();

  // The field is the part's name; "parts[2]" while that is not known, counted from 0; "body" before the first part.
  const std::optional<Detail>& fault() const { return fault_; }

 private:
  enum class Stage { start, head, data, boundary, ended };

  bool broken(std::string message);
  bool start(std::string_view& bytes);
  bool data(std::string_view& bytes);
  bool boundary(std::string_view& bytes);
  bool head(std::string_view& bytes);
  bool ended(std::string_view& bytes);
  bool header(std::string_view line);
  bool disposition(std::string_view value);
  void pass(std::string_view part);

  const std::string delimiter_;  // CR LF "--" and the boundary; its CR stands nowhere else in it
  const std::size_t parts_max_;
  const Events events_;
  Stage stage_ = Stage::start;
  std::size_t matched_;  // bytes of the delimiter that the last bytes fed are; not handed on yet
  std::string line_;     // what has come of a line: of a head, after a boundary, or after the last one
  std::size_t head_size_ = 0;
  std::size_t parts_ = 0;  // begun, the present one included
  PartHead part_;          // name is empty while not known
  std::optional<Detail> fault_;
};

}  // namespace plugfleet
