#include "base/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
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
  bool is_file = false;
  Severity least = Severity::info;
  std::string buffer;  // whole lines
  std::int64_t lost = 0;
  std::function<void()> wake;
  pid_t pid = ::getpid();

  void write_out();
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

void append_field(std::string& out, const Field& field) {
  out.append(",\"").append(field.key).append("\":");
  append_value(out, field);
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

std::int64_t count_lines(std::string_view text) { return std::count(text.begin(), text.end(), '\n'); }

// A line that a full disk has cut, of which `cut` bytes are written, is taken back. Others append to the file too, each
// through a descriptor of its own: what comes after it is theirs, and stays.
void take_back(int fd, std::size_t cut) {
  const off_t end = ::lseek(fd, 0, SEEK_CUR);
  struct stat status{};
  if (end < 0 || ::fstat(fd, &status) != 0 || status.st_size != end) return;
  [[maybe_unused]] const int done = ::ftruncate(fd, end - static_cast<off_t>(cut));
}

// How much of the lines is written: whole ones, all of them where there is room.
std::size_t write_to_file(int fd, std::string_view lines) {
  std::size_t done = 0;
  while (done < lines.size()) {
    const auto wrote = ::write(fd, lines.data() + done, lines.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  const std::size_t whole = lines.substr(0, done).rfind('\n') + 1;  // npos + 1 is 0
  if (done > whole) take_back(fd, done - whole);
  return whole;
}

// A pipe or a terminal. What poll() calls writable takes PIPE_BUF bytes at once and whole (pipe(7)), and so no writing
// waits for who reads. A longer line is lost.
std::size_t write_to_pipe(int fd, std::string_view lines) {
  std::size_t done = 0;
  while (done < lines.size()) {
    const std::string_view rest = lines.substr(done);
    const std::size_t piece = rest.size() <= PIPE_BUF ? rest.size() : rest.substr(0, PIPE_BUF).rfind('\n') + 1;
    pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
    if (piece == 0 || ::poll(&ready, 1, 0) != 1) break;
    const auto wrote = ::write(fd, rest.data(), piece);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  return done;
}

void Sink::write_out() {
  if (lost > 0) {
    std::string told;
    append_head(told, Severity::error, "log_lines_lost");
    told.append(",\"count\":").append(fmt::format_int(lost).str()).append("}\n");
    buffer.insert(0, told);
  }
  const std::string_view lines = buffer;
  const std::size_t written = is_file ? write_to_file(fd, lines) : write_to_pipe(fd, lines);
  if (lost > 0 && written == 0) --lost;  // the line that tells of them is not one of them
  if (written > 0) lost = 0;
  lost += count_lines(lines.substr(written));
  buffer.clear();
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
  s.write_out();
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
  if (fd < 0) {
    const std::string why = std::generic_category().message(errno);
    append_head(s.buffer, Severity::error, "log_not_opened");
    for (const Field& field : {Field("path", path), Field("why", why)}) append_field(s.buffer, field);
    s.buffer += "}\n";
    return s.write_out();
  }
  if (s.fd != STDERR_FILENO) ::close(s.fd);
  s.fd = fd;
  struct stat status{};
  s.is_file = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
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
  for (const Field& field : fields) append_field(out, field);
  out += "}\n";
  if (!s.wake || severity == Severity::error || out.size() > kBufferMax) return s.write_out();
  if (first) s.wake();
}

}  // namespace plugfleet
