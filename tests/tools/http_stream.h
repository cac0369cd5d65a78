// HTTP/1.1 over one TCP connection, either end: heads as text, bodies handed on in the pieces they arrive in.
//
// One coroutine uses a stream at a time. Bodies may have a Content-Length or be chunked. A connection that ends where
// it must not is a std::system_error (asio::error::eof), a head that is not HTTP too (asio::error::invalid_argument).
#pragma once

#include <algorithm>
#include <asio.hpp>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugfleet::test {

struct Head {
  std::string text;  // up to and with the empty line

  std::string_view first_line() const { return std::string_view(text).substr(0, text.find('\r')); }

  // The n-th word of the first line: method or version, target or status.
  std::string_view word(int n) const {
    auto line = first_line();
    for (; n > 0; --n) line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
    return line.substr(0, line.find(' '));
  }

  // Visits name and value of each header until `visit` returns true.
  template <class Visit>
  void each(Visit visit) const {
    std::string_view rest = text;
    rest.remove_prefix(first_line().size() + 2);
    while (rest.size() > 2) {
      auto line = rest.substr(0, rest.find('\r'));
      rest.remove_prefix(line.size() + 2);
      const auto colon = line.find(':');
      if (colon == line.npos) continue;
      const auto name = line.substr(0, colon);
      line.remove_prefix(std::min(line.find_first_not_of(' ', colon + 1), line.size()));
      if (visit(name, line)) return;
    }
  }

  // A header's value, or nothing; `name` in lower case.
  std::string_view field(std::string_view wanted) const {
    std::string_view found;
    each([&](std::string_view name, std::string_view value) {
      const bool same = std::ranges::equal(
          name, wanted, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; });
      if (same) found = value;
      return same;
    });
    return found;
  }
};

template <class Number>
Number to_number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end == text.data()) throw std::system_error(asio::error::invalid_argument);
  return value;
}

class HttpStream {
 public:
  explicit HttpStream(asio::ip::tcp::socket opened) : socket(std::move(opened)) {}

  // The next head; nothing when the other side closed cleanly before its first byte.
  asio::awaitable<std::optional<Head>> read_head() {
    while (true) {
      const std::string_view seen(buffer_.get() + begin_, end_ - begin_);
      if (const auto end = seen.find("\r\n\r\n"); end != seen.npos) {
        begin_ += end + 4;
        co_return Head{std::string(seen.substr(0, end + 4))};
      }
      const bool at_boundary = seen.empty();
      const auto error = co_await fill();
      if (error == asio::error::eof && at_boundary) co_return std::nullopt;
      if (error) throw std::system_error(error);
    }
  }

  // The body that belongs to `head`, piece by piece to `sink(std::string_view)`.
  template <class Sink>
  asio::awaitable<void> read_body(const Head& head, Sink& sink) {
    if (head.field("transfer-encoding") == "chunked") {
      while (true) {
        const std::string size_line = co_await read_line();
        const auto size = to_number<std::size_t>(size_line, 16);
        co_await read_exactly(size, sink);
        while (!(co_await read_line()).empty()) {  // the line end of a chunk; trailers after the last
        }
        if (size == 0) co_return;
      }
    }
    const auto length = head.field("content-length");
    if (!length.empty()) co_await read_exactly(to_number<std::size_t>(length), sink);
  }

  asio::awaitable<void> write(std::string_view bytes) {
    co_await asio::async_write(socket, asio::buffer(bytes.data(), bytes.size()), asio::use_awaitable);
  }

  asio::ip::tcp::socket socket;

 private:
  static constexpr std::size_t kBuffer = 65536;

  template <class Sink>
  asio::awaitable<void> read_exactly(std::size_t left, Sink& sink) {
    while (left > 0) {
      if (begin_ == end_) {
        const auto error = co_await fill();
        if (error) throw std::system_error(error);
      }
      const auto size = std::min(left, end_ - begin_);
      sink(std::string_view(buffer_.get() + begin_, size));
      begin_ += size;
      left -= size;
    }
  }

  asio::awaitable<std::string> read_line() {
    while (true) {
      const std::string_view seen(buffer_.get() + begin_, end_ - begin_);
      if (const auto end = seen.find("\r\n"); end != seen.npos) {
        begin_ += end + 2;
        co_return std::string(seen.substr(0, end));
      }
      const auto error = co_await fill();
      if (error) throw std::system_error(error);
    }
  }

  asio::awaitable<std::error_code> fill() {
    if (begin_ > 0) std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (end_ == kBuffer) co_return asio::error::make_error_code(asio::error::invalid_argument);
    std::error_code error;
    end_ += co_await socket.async_read_some(asio::buffer(buffer_.get() + end_, kBuffer - end_),
                                            asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }

  std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace plugfleet::test
