#include "wire/fastcgi.h"

#include <algorithm>
#include <cstring>

namespace plugfleet {
namespace {

constexpr std::uint8_t kVersion = 1;
enum Type : std::uint8_t { kBegin = 1, kAbort = 2, kEnd = 3, kParams = 4, kStdin = 5, kStdout = 6 };
constexpr std::uint16_t kResponder = 1;
constexpr std::uint8_t kKeepConnection = 1;
constexpr std::size_t kBeginSize = 8;
constexpr std::size_t kUsualParams = 32;  // nginx's and a browser's headers

// Section 3.4: a length is one byte, or four with the top bit set.
bool take_length(std::string_view& bytes, std::size_t& length) {
  if (bytes.empty()) return false;
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  if (at(0) < 0x80) {
    length = at(0);
    bytes.remove_prefix(1);
    return true;
  }
  if (bytes.size() < 4) return false;
  length = (at(0) & 0x7Fu) << 24 | static_cast<std::size_t>(at(1)) << 16 | static_cast<std::size_t>(at(2)) << 8 | at(3);
  bytes.remove_prefix(4);
  return true;
}

bool parse_params(FastcgiParams& params) {
  std::string_view rest(params.bytes.data(), params.bytes.size());
  params.list.reserve(kUsualParams);
  while (!rest.empty()) {
    std::size_t name = 0, value = 0;
    if (!take_length(rest, name) || !take_length(rest, value)) return false;
    if (name > rest.size() || value > rest.size() - name) return false;
    params.list.emplace_back(rest.substr(0, name), rest.substr(name, value));
    rest.remove_prefix(name + value);
  }
  return true;
}

void append_header(std::string& out, Type type, std::uint16_t id, std::size_t size) {
  const char header[8] = {static_cast<char>(kVersion),
                          static_cast<char>(type),
                          static_cast<char>(id >> 8),
                          static_cast<char>(id),
                          static_cast<char>(size >> 8),
                          static_cast<char>(size),
                          0,
                          0};
  out.append(header, sizeof header);
}

}  // namespace

std::string_view FastcgiParams::operator[](std::string_view name) const {
  for (const auto& [key, value] : list) {
    if (key == name) return value;
  }
  return {};
}

std::string FastcgiParams::joined(std::string_view name) const {
  std::string all;
  for (const auto& [key, value] : list) {
    if (key == name) all.append(all.empty() ? "" : ", ").append(value);
  }
  return all;
}

bool FastcgiParser::broken(std::string_view why) {
  fault_ = why;
  return false;
}

bool FastcgiParser::feed(std::string_view bytes) {
  if (!fault_.empty()) return false;
  while (!bytes.empty()) {
    if (header_have_ < sizeof header_) {
      const std::size_t take = std::min(sizeof header_ - header_have_, bytes.size());
      std::memcpy(header_ + header_have_, bytes.data(), take);
      header_have_ += take;
      bytes.remove_prefix(take);
      if (header_have_ == sizeof header_ && !header()) return false;
      continue;
    }
    if (content_left_ > 0) {
      const std::size_t take = std::min(content_left_, bytes.size());
      content_left_ -= take;
      if (!content(bytes.substr(0, take), content_left_ == 0)) return false;
      bytes.remove_prefix(take);
    } else {
      const std::size_t take = std::min(padding_left_, bytes.size());
      padding_left_ -= take;
      bytes.remove_prefix(take);
    }
    if (content_left_ == 0 && padding_left_ == 0) header_have_ = 0;
  }
  return true;
}

bool FastcgiParser::header() {
  if (header_[0] != kVersion) return broken("a record of another version");
  content_left_ = static_cast<std::size_t>(header_[4]) << 8 | header_[5];
  padding_left_ = header_[6];
  const std::uint8_t type = header_[1];
  const auto id = static_cast<std::uint16_t>(header_[2] << 8 | header_[3]);
  if (type == kBegin) {
    if (stage_ == Stage::params || stage_ == Stage::body) return broken("a second request before the first ended");
    if (content_left_ != kBeginSize || id == 0) return broken("a BEGIN record of a wrong shape");
    request_id_ = id;
    small_.clear();
  } else if (type == kParams || type == kStdin || type == kAbort) {
    if (id != request_id_) return broken("a record for a request that was not begun");
    if (type == kParams && stage_ != Stage::params) return broken("PARAMS out of place");
    if (type == kStdin && stage_ != Stage::body) return broken("STDIN out of place");
    if (content_left_ == 0 && !content({}, true)) return false;
  } else {
    return broken("a record of an unknown type");
  }
  if (content_left_ == 0 && padding_left_ == 0) header_have_ = 0;
  return true;
}

bool FastcgiParser::content(std::string_view part, bool last) {
  switch (header_[1]) {
    case kBegin: {
      small_.append(part);
      if (!last) return true;
      const auto role =
          static_cast<std::uint16_t>(static_cast<std::uint8_t>(small_[0]) << 8 | static_cast<std::uint8_t>(small_[1]));
      if (role != kResponder) return broken("a role that is not the responder's");
      keep_connection_ = (small_[2] & kKeepConnection) != 0;
      stage_ = Stage::params;
      params_.clear();
      return true;
    }
    case kParams: {
      if (!part.empty()) {
        if (params_.size() + part.size() > kFastcgiParamsMax) return broken("more parameters than are taken");
        params_.insert(params_.end(), part.begin(), part.end());
        return true;
      }
      FastcgiParams params;
      params.bytes = std::move(params_);
      params_ = {};
      if (!parse_params(params)) return broken("parameters of a wrong shape");
      stage_ = Stage::body;
      if (events_.begin) events_.begin(std::move(params));
      return true;
    }
    case kStdin:
      if (!part.empty()) {
        if (events_.body) events_.body(part);
        return true;
      }
      stage_ = Stage::idle;
      if (events_.end) events_.end();
      return true;
    default:  // ABORT
      if (last && events_.abort) events_.abort();
      return true;
  }
}

std::string stdout_header(std::uint16_t request_id, std::size_t size) {
  std::string out;
  append_header(out, kStdout, request_id, size);
  return out;
}

void append_stdout(std::string& out, std::uint16_t request_id, std::string_view content) {
  while (!content.empty()) {
    const std::string_view part = content.substr(0, kFastcgiContentMax);
    append_header(out, kStdout, request_id, part.size());
    out.append(part);
    content.remove_prefix(part.size());
  }
}

void append_end(std::string& out, std::uint16_t request_id) {
  append_header(out, kStdout, request_id, 0);
  append_header(out, kEnd, request_id, 8);
  out.append(8, '\0');
}

}  // namespace plugfleet
