#include "wire/json_writer.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.h"

namespace plugfleet {

void JsonWriter::separate() {
  const bool follows = !std::exchange(has_name_, false) && !std::exchange(first_, false);
  if (follows) out_ += ',';
}

JsonWriter& JsonWriter::named(std::string_view name) {
  assert(open_.ends_with('}') && !has_name_);
  separate();
  out_.append("\"").append(name).append("\":");
  has_name_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin(char opening, char closing) {
  separate();
  out_ += opening;
  open_ += closing;
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end() {
  assert(!open_.empty() && !has_name_);
  out_ += open_.back();
  open_.pop_back();
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::add(std::string_view value) {
  separate();
  append_json_string(out_, value);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::members(std::string_view object) {
  object = object.substr(0, object.rfind('}'));
  object.remove_prefix(std::min(object.find('{') + 1, object.size()));
  const bool empty = object.find_first_not_of(" \t\r\n") == object.npos;
  return empty ? *this : raw(object);
}

JsonWriter& JsonWriter::plain(std::string_view name, std::string_view text) {
  named(name);
  separate();
  out_.append("\"").append(text).append("\"");
  return *this;
}

JsonWriter& JsonWriter::open_text(std::string_view name, std::string_view beginning) {
  named(name);
  separate();
  out_.append("\"").append(beginning);
  open_ += '"';
  return *this;
}

std::string JsonWriter::ending() const { return {open_.rbegin(), open_.rend()}; }

std::string JsonWriter::text() && { return std::move(out_.append(ending())); }

}  // namespace plugfleet
