#include "core/page.h"

#include <cstdint>
#include <span>

#include "base/ids.h"
#include "base/text.h"
#include "wire/base64.h"
#include "wire/json.h"

namespace plugfleet {
namespace {

constexpr std::int64_t kNumberMost = 4'000'000'000'000'000;  // PostgreSQL takes it as a time, in the year 2096

[[noreturn]] void refuse() {
  throw Failure(FailureKind::invalid_request, "the cursor is not one of this list")
      .details({{"cursor", "must be a nextCursor of this list"}});
}

}  // namespace

std::string page_cursor(const std::vector<std::string>& key) {
  Json texts = Json::array();
  for (const std::string& text : key) texts.push(text);
  const std::string text = texts.dump();
  return encode_base64url(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::vector<std::string> read_cursor(const std::string& cursor, std::size_t texts) {
  const auto text = decode_base64url(cursor);
  const auto json = text ? Json::parse(*text) : std::nullopt;
  std::vector<std::string> key;
  for (std::size_t i = 0; json && i < json->size(); ++i) {
    if (const auto part = json->at(i).string()) key.emplace_back(*part);
  }
  if (key.size() != texts) refuse();
  return key;
}

std::optional<std::int64_t> cursor_number(const std::string& text) {
  const auto number = number_in<std::int64_t>(text, 0, kNumberMost);
  if (!number) refuse();
  return number;
}

std::optional<std::string> cursor_uuid(const std::string& text) {
  auto id = canonical_uuid(text);
  if (!id) refuse();
  return id;
}

}  // namespace plugfleet
