// The log: one JSON object a line, to a file (or stderr until log_open). Never a body, a key or an image: callers name
// each field they log, and long values are cut.
//
// It never ends or stops a process. Where a line can't be written (a full disk, a reader of a pipe that does not read)
// it is lost, whole, and the next line that can be written says how many were: log_lines_lost.
//
// Lines are collected and written together by log_flush(), which the reactor calls within 10 ms; without a reactor, and
// for an error or a full buffer, they are written at once. Safe from any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/failure.h"

namespace plugfleet {

// The name of an event or a field: a literal of letters and underscores, which the compiler checks and no line escapes.
struct LogName {
  consteval LogName(const char* literal) : text(literal) {
    for (const char c : text) {
      if (c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')) throw "a name in the log has letters and _ only";
    }
  }
  std::string_view text;
};

struct Field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, double, bool> value;

  Field(LogName k, std::string_view v) : key(k.text), value(v) {}
  Field(LogName k, const char* v) : key(k.text), value(std::string_view(v)) {}
  Field(LogName k, const std::string& v) : key(k.text), value(std::string_view(v)) {}
  Field(LogName k, double v) : key(k.text), value(v) {}
  Field(LogName k, bool v) : key(k.text), value(v) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  Field(LogName k, T v) : key(k.text), value(static_cast<std::int64_t>(v)) {}
};

// Opens (or, for logrotate, opens again) the file. Empty means stderr. Where it can't be opened the lines go where they
// went before, log_not_opened first.
void log_open(const std::string& path, Severity least);
void log_reopen();
void log_flush();

// `wake` is called when a line is the first that waits for a flush: the reactor then sees to it.
void log_on_first_line(std::function<void()> wake);

bool log_wants(Severity severity);
void log(Severity severity, LogName event, std::initializer_list<Field> fields = {});

// Appends `text` as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace plugfleet
