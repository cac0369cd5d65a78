// The log: one JSON object a line, to a file (or stderr until log_open). Never a body, a key or an image: callers name
// each field they log, and long values are cut.
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

struct Field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, double, bool> value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, double v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  Field(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}
};

// Opens (or, for logrotate, opens again) the file. Empty means stderr. Throws Failure when it can't be opened.
void log_open(const std::string& path, Severity least);
void log_reopen();
void log_flush();

// `wake` is called when a line is the first that waits for a flush: the reactor then sees to it.
void log_on_first_line(std::function<void()> wake);

bool log_wants(Severity severity);
void log(Severity severity, std::string_view event, std::initializer_list<Field> fields = {});

// Appends `text` as a JSON string, quotes included; bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace plugfleet
