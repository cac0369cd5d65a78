#include "core/new_token.h"

#include <algorithm>

#include "support/check.h"

using namespace plugfleet;

TEST(a_token_has_its_prefix_and_43_characters_that_a_url_takes) {
  const std::string token = new_token("pfu_");
  CHECK(token.starts_with("pfu_"));
  CHECK_EQ(token.size(), 4 + kTokenRandomLength);
  CHECK(std::ranges::all_of(
      token, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; }));
  CHECK(new_token("pfu_") != token);
}
