#include "wire/fastcgi.h"

#include <fastcgi.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>

namespace plugfleet {
namespace {

constexpr std::size_t kUsualParams = 32;  // nginx's and a browser's headers

// Numbers of two bytes stand as B1, B0 in libfcgi's structs.
std::uint16_t number(unsigned char b1, unsigned char b0) { return static_cast<std::uint16_t>(b1 << 8 | b0); }

// A struct of libfcgi's as the bytes it is on the wire: they have neither padding nor byte order.
template <class Struct>
std::string_view wire_bytes(const Struct& record) {
  static_assert(alignof(Struct) == 1);
  return {reinterpret_cast<const char*>(&record), sizeof record};
}

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

FCGI_Header header_of(unsigned char type, std::uint16_t id, std::size_t size) {
  return {.version = FCGI_VERSION_1,
          .type = type,
          .requestIdB1 = static_cast<unsigned char>(id >> 8),
          .requestIdB0 = static_cast<unsigned char>(id),
          .contentLengthB1 = static_cast<unsigned char>(size >> 8),
          .contentLengthB0 = static_cast<unsigned char>(size)};
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
    if (header_have_ < header_.size()) {
      const std::size_t take = std::min(header_.size() - header_have_, bytes.size());
      std::memcpy(header_.data() + header_have_, bytes.data(), take);
      header_have_ += take;
      bytes.remove_prefix(take);
      if (header_have_ == header_.size() && !header()) return false;
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
  const auto header = std::bit_cast<FCGI_Header>(header_);
  if (header.version != FCGI_VERSION_1) return broken("a record of another version");
  content_left_ = number(header.contentLengthB1, header.contentLengthB0);
  padding_left_ = header.paddingLength;
  type_ = header.type;
  const std::uint16_t id = number(header.requestIdB1, header.requestIdB0);
  if (type_ == FCGI_BEGIN_REQUEST) {
    if (stage_ != Stage::idle) return broken("a second request before the first ended");
    if (content_left_ != sizeof(FCGI_BeginRequestBody) || id == FCGI_NULL_REQUEST_ID)
      return broken("a BEGIN record of a wrong shape");
    request_id_ = id;
    begin_.clear();
  } else if (type_ == FCGI_PARAMS || type_ == FCGI_STDIN || type_ == FCGI_ABORT_REQUEST) {
    if (id != request_id_) return broken("a record for a request that was not begun");
    if (type_ == FCGI_PARAMS && stage_ != Stage::params) return broken("PARAMS out of place");
    if (type_ == FCGI_STDIN && stage_ != Stage::body) return broken("STDIN out of place");
    if (content_left_ == 0 && !content({}, true)) return false;
  } else {
    return broken("a record of an unknown type");
  }
  if (content_left_ == 0 && padding_left_ == 0) header_have_ = 0;
  return true;
}

// The next part of the content of a record, `last` where it is the last; an empty one where it has none.
bool FastcgiParser::content(std::string_view part, bool last) {
  switch (type_) {
    case FCGI_BEGIN_REQUEST:
      begin_.append(part);
      return !last || begin_request();
    case FCGI_PARAMS:
      if (part.empty()) return params_complete();
      if (params_.size() + part.size() > kFastcgiParamsMax) return broken("more parameters than are taken");
      params_.insert(params_.end(), part.begin(), part.end());
      return true;
    case FCGI_STDIN:
      if (!part.empty()) {
        if (events_.body) events_.body(part);
        return true;
      }
      stage_ = Stage::idle;
      if (events_.end) events_.end();
      return true;
    default:
      if (last && events_.abort) events_.abort();
      return true;
  }
}

bool FastcgiParser::begin_request() {
  FCGI_BeginRequestBody body;
  assert(begin_.size() == sizeof body);
  std::memcpy(&body, begin_.data(), sizeof body);
  if (number(body.roleB1, body.roleB0) != FCGI_RESPONDER) return broken("a role that is not the responder's");
  keep_connection_ = (body.flags & FCGI_KEEP_CONN) != 0;
  stage_ = Stage::params;
  params_.clear();
  return true;
}

bool FastcgiParser::params_complete() {
  FastcgiParams params;
  params.bytes = std::move(params_);
  params_ = {};
  if (!parse_params(params)) return broken("parameters of a wrong shape");
  stage_ = Stage::body;
  if (events_.begin) events_.begin(std::move(params));
  return true;
}

std::string stdout_header(std::uint16_t request_id, std::size_t size) {
  assert(size <= kFastcgiContentMax);
  return std::string(wire_bytes(header_of(FCGI_STDOUT, request_id, size)));
}

void append_stdout(std::string& out, std::uint16_t request_id, std::string_view content) {
  while (!content.empty()) {
    const std::string_view part = content.substr(0, kFastcgiContentMax);
    out.append(wire_bytes(header_of(FCGI_STDOUT, request_id, part.size())));
    out.append(part);
    content.remove_prefix(part.size());
  }
}

void append_end(std::string& out, std::uint16_t request_id) {
  const FCGI_EndRequestBody body{.protocolStatus = FCGI_REQUEST_COMPLETE};
  out.append(wire_bytes(header_of(FCGI_STDOUT, request_id, 0)));
  out.append(wire_bytes(header_of(FCGI_END_REQUEST, request_id, sizeof body)));
  out.append(wire_bytes(body));
}

}  // namespace plugfleet
