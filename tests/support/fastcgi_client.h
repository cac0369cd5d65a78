// FastCGI from the web server's side, for tests: the bytes nginx would send.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugfleet::test {

inline std::string record(std::uint8_t type, std::uint16_t id, std::string_view content, std::size_t padding) {
  std::string out{1,
                  static_cast<char>(type),
                  static_cast<char>(id >> 8),
                  static_cast<char>(id),
                  static_cast<char>(content.size() >> 8),
                  static_cast<char>(content.size()),
                  static_cast<char>(padding),
                  0};
  out += content;
  out.append(padding, 'P');
  return out;
}

inline std::string length_bytes(std::size_t length) {
  if (length < 128) return {static_cast<char>(length)};
  return {static_cast<char>(0x80 | (length >> 24)), static_cast<char>(length >> 16), static_cast<char>(length >> 8),
          static_cast<char>(length)};
}

inline std::string request_bytes(std::uint16_t id, const std::vector<std::pair<std::string, std::string>>& params,
                                 std::string_view body, bool keep) {
  std::string out = record(1, id, std::string{0, 1, static_cast<char>(keep ? 1 : 0), 0, 0, 0, 0, 0}, 0);
  std::string list;
  for (const auto& [name, value] : params)
    list += length_bytes(name.size()) + length_bytes(value.size()) + name + value;
  if (!list.empty()) out += record(4, id, list, 0);
  out += record(4, id, "", 0);
  while (!body.empty()) {
    out += record(5, id, body.substr(0, 32'000), 0);
    body.remove_prefix(std::min<std::size_t>(body.size(), 32'000));
  }
  return out + record(5, id, "", 0);
}

// How many bytes the first record takes; 0 where not all of it is there yet.
inline std::size_t first_record_size(std::string_view records) {
  if (records.size() < 8) return 0;
  const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(records[i])); };
  const std::size_t size = 8 + at(4) * 256 + at(5) + at(6);
  return records.size() < size ? 0 : size;
}

// The STDOUT text of a whole reply's records.
inline std::string stdout_text(std::string_view records) {
  std::string text;
  while (records.size() >= 8) {
    const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(records[i])); };
    const std::size_t size = at(4) * 256 + at(5);
    if (at(1) == 6) text += records.substr(8, size);
    records.remove_prefix(std::min(records.size(), 8 + size + at(6)));
  }
  return text;
}

}  // namespace plugfleet::test
