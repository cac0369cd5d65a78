#include "base/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <iterator>
#include <mutex>

#include "base/clock.h"
#include "base/utf8.h"

namespace plugfleet {
namespace {

constexpr std::size_t kBufferMax = 64 * 1024;
constexpr std::size_t kValueMax = 512;
constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};

constexpr auto kPlain = [] {  // bytes that stand for themselves in a JSON string
  std::array<bool, 256> plain{};
  for (unsigned byte = 0x20; byte < 0x7f; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

struct Sink {
  std::mutex mutex;
  std::string path;
  int fd = STDERR_FILENO;
  Severity least = Severity::info;
  std::string buffer;
  std::function<void()> wake;
  pid_t pid = ::getpid();

  void write_out() {
    for (std::size_t done = 0; done < buffer.size();) {
      const auto wrote = ::write(fd, buffer.data() + done, buffer.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) break;  // a full disk must not stop the fleet: these lines are lost
      done += static_cast<std::size_t>(wrote);
    }
    buffer.clear();
  }
};

Sink& sink() {
  static Sink* const the_sink = new Sink;  // never destroyed: destructors of other statics may still log
  return *the_sink;
}

void append_number(std::string& out, std::int64_t number) {
  const fmt::format_int text(number);
  out.append(text.data(), text.size());
}

// Three digits after the point, without the cost of formatting a double.
void append_thousandths(std::string& out, double value) {
  const bool countable = value > -1e15 && value < 1e15;  // false for NaN too
  const auto thousandths = countable ? static_cast<std::int64_t>(value * 1000 + (value < 0 ? -0.5 : 0.5)) : 0;
  const auto magnitude = static_cast<std::uint64_t>(thousandths < 0 ? -thousandths : thousandths);
  if (thousandths < 0) out += '-';
  append_number(out, static_cast<std::int64_t>(magnitude / 1000));
  const auto rest = magnitude % 1000;
  const char digits[4] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                          static_cast<char>('0' + rest % 10)};
  out.append(digits, sizeof digits);
}

void append_value(std::string& out, const Field& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    append_json_string(out, text->substr(0, kValueMax));
  } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
    append_number(out, *number);
  } else if (const auto* real = std::get_if<double>(&field.value)) {
    append_thousandths(out, *real);
  } else {
    out += std::get<bool>(field.value) ? "true" : "false";
  }
}

// {"time":"...Z","level":"info","event":"request","pid":1
void append_head(std::string& out, Severity severity, std::string_view event) {
  static std::int64_t last_second = -1;  // under the sink's mutex
  static std::string second_text;
  const auto now = std::chrono::floor<milliseconds>(WallClock::now());
  const auto ms = now.time_since_epoch().count();
  if (ms / 1000 != last_second) {
    last_second = ms / 1000;
    second_text = rfc3339(now).substr(0, 20);
  }
  const auto rest = ms % 1000;
  const char digits[4] = {static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                          static_cast<char>('0' + rest % 10), 'Z'};
  out.append(R"({"time":")").append(second_text).append(digits, sizeof digits);
  out.append(R"(","level":")").append(kNames[static_cast<int>(severity)]).append(R"(","event":")").append(event);
  out += R"(","pid":)";
  append_number(out, sink().pid);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;  // where the run of bytes that need no care began
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (kPlain[byte]) {
      ++i;
      continue;
    }
    const std::size_t length = byte < 0x80 ? 1 : utf8_length(text.substr(i));
    if (length > 1) {
      i += length;
      continue;
    }
    out.append(text.substr(plain, i - plain));
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[i];
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    }
    plain = ++i;
  }
  out.append(text.substr(plain));
  out += '"';
}

void log_open(const std::string& path, Severity least) {
  Sink& s = sink();
  const std::lock_guard lock(s.mutex);
  s.least = least;
  s.path = path;
  if (path.empty()) return;
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0)
    throw Failure(Kind::internal,
                  fmt::format("cannot open the log {}: {}", path, std::generic_category().message(errno)));
  s.write_out();
  if (s.fd != STDERR_FILENO) ::close(s.fd);
  s.fd = fd;
}

void log_reopen() {
  std::string path;
  Severity least;
  {
    const std::lock_guard lock(sink().mutex);
    path = sink().path;
    least = sink().least;
  }
  log_open(path, least);
}

void log_flush() {
  Sink& s = sink();
  const std::lock_guard lock(s.mutex);
  if (!s.buffer.empty()) s.write_out();
}

void log_on_first_line(std::function<void()> wake) {
  const std::lock_guard lock(sink().mutex);
  sink().wake = std::move(wake);
}

bool log_wants(Severity severity) { return severity >= sink().least; }

void log(Severity severity, LogName event, std::initializer_list<Field> fields) {
  Sink& s = sink();
  if (severity < s.least) return;
  const std::lock_guard lock(s.mutex);
  std::string& out = s.buffer;
  const bool first = out.empty();
  append_head(out, severity, event.text);
  for (const Field& field : fields) {
    out.append(",\"").append(field.key).append("\":");
    append_value(out, field);
  }
  out += "}\n";
  if (!s.wake || severity == Severity::error || out.size() > kBufferMax) return s.write_out();
  if (first) s.wake();
}

}  // namespace plugfleet
