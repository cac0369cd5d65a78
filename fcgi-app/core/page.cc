#include "core/page.h"

#include <cstdint>
#include <span>

#include "wire/base64.h"
#include "wire/json.h"

namespace plugfleet {

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
  if (key.size() != texts)
    throw Failure(FailureKind::invalid_request, "the cursor is not one of this list")
        .details({{"cursor", "must be a nextCursor of this list"}});
  return key;
}

}  // namespace plugfleet
