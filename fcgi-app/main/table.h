// What operators' programs print for people: aligned tables that fit a terminal, and times as ages. What clients have
// put in can't reach the terminal as anything but text.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/utf8.h"

namespace plugfleet {

inline constexpr std::size_t kTerminalWidth = 120;

// On one line, at most `most` characters.
inline std::string printable(std::string_view text, std::size_t most) {
  std::string line = utf8_repaired(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  // U+0080 to U+009F steer terminals too: 0xc2, then the same number.
  for (std::size_t at = 0; (at = line.find('\xc2', at)) != line.npos; ++at) {
    if (static_cast<unsigned char>(line[at + 1]) < 0xa0) line.replace(at, 2, " ");
  }
  if (utf8_count(line) <= most) return line;
  return std::string(utf8_prefix(line, most - 1)) + "…";
}

// "59s", "3m", "5h", "12d".
inline std::string shown_seconds(std::int64_t seconds) {
  if (seconds < 120) return fmt::format("{}s", seconds);
  if (seconds < 7200) return fmt::format("{}m", seconds / 60);
  if (seconds < 172'800) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86'400);
}

// "350ms", "1.2s", and so on.
inline std::string shown_duration(milliseconds duration) {
  const auto ms = duration.count();
  if (ms < 1000) return fmt::format("{}ms", ms);
  if (ms < 10'000) return fmt::format("{:.1f}s", static_cast<double>(ms) / 1000);
  return shown_seconds(ms / 1000);
}

// Since a time as rfc3339() writes it.
inline std::string shown_age(const std::string& time) {
  std::tm fields{};
  ::strptime(time.c_str(), "%Y-%m-%dT%H:%M:%S", &fields);
  const auto age = WallClock::now() - WallClock::from_time_t(::timegm(&fields));
  return shown_seconds(std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(age).count()));
}

// A column is as wide as its widest cell; the last one has what is left of the line. Empty cells are dashes.
class Table {
 public:
  explicit Table(std::vector<std::string> titles) { rows_.push_back(std::move(titles)); }
  // As many cells as titles.
  void add(std::vector<std::string> cells) {
    for (std::string& cell : cells) cell = cell.empty() ? "-" : printable(cell, kWidest);
    rows_.push_back(std::move(cells));
  }
  std::string text() const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], utf8_count(row[i]));
    }
    std::string out;
    for (const auto& row : rows_) {
      std::size_t used = 0;
      for (std::size_t i = 0; i + 1 < row.size(); ++i) {
        out += fmt::format("{}{:{}}", row[i], "", widths[i] - utf8_count(row[i]) + 2);
        used += widths[i] + 2;
      }
      out += printable(row.back(), used + 10 < kTerminalWidth ? kTerminalWidth - used : 10) + "\n";
    }
    return out;
  }

 private:
  static constexpr std::size_t kWidest = 400;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace plugfleet
