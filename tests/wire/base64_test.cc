#include "wire/base64.h"

#include <random>

#include "support/check.h"

using namespace plugfleet;

namespace {

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::string decoded(std::string_view text) {
  const auto bytes = decode_base64(text);
  return bytes ? std::string(bytes->begin(), bytes->end()) : "(refused)";
}

}  // namespace

TEST(the_rfcs_test_vectors_come_out_both_ways) {  // RFC 4648, section 10
  for (const auto& [plain, text] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{{"", ""},
                                                                            {"f", "Zg=="},
                                                                            {"fo", "Zm8="},
                                                                            {"foo", "Zm9v"},
                                                                            {"foob", "Zm9vYg=="},
                                                                            {"fooba", "Zm9vYmE="},
                                                                            {"foobar", "Zm9vYmFy"}}) {
    CHECK_EQ(encode_base64(bytes_of(plain)), text);
    CHECK_EQ(decoded(text), plain);
    CHECK(is_base64(text));
  }
}

TEST(padding_may_be_left_out) {
  CHECK_EQ(decoded("Zg"), "f");
  CHECK_EQ(decoded("Zm8"), "fo");
  CHECK_EQ(decoded("Zm9vYmE"), "fooba");
}

TEST(what_is_not_base64_is_refused_by_the_check_and_the_decoder) {
  using namespace std::string_view_literals;
  for (const auto text :
       {"Z"sv,    "Zg="sv,  "Zm8=="sv,         "Zm9v="sv,    "Zm9v===="sv,         "===="sv,  "="sv,
        "=="sv,   "Z==="sv, "Zm=v"sv,          "Zg==Zg=="sv, "Zm9v\n"sv,           " Zm9v"sv, "Zm 9v"sv,
        "Zm-v"sv, "Zm_v"sv, "Zm9\0"sv,         "Zm9\xff"sv,  "\xc3\xa9\x5a\x5a"sv, "Zh=="sv,  "Zm9="sv,
        "Zm."sv,  "Z[=="sv, "data:image/png"sv}) {
    CHECK_EQ(decoded(text), "(refused)");
    CHECK(!is_base64(text));
  }
}

TEST(every_byte_is_judged_alike_by_the_check_and_the_decoder) {
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t place = 0; place < 64; ++place) {
      std::string text(64, 'A');
      text[place] = static_cast<char>(byte);
      CHECK_EQ(is_base64(text), decode_base64(text).has_value());
    }
  }
}

TEST(random_bytes_survive_the_journey) {
  std::mt19937 random(1);
  for (std::size_t length = 0; length < 300; ++length) {
    std::vector<std::uint8_t> bytes(length);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    auto text = encode_base64(bytes);
    CHECK(decode_base64(text) == bytes);
    CHECK(is_base64(text));
    while (text.ends_with('=')) text.pop_back();
    CHECK(decode_base64(text) == bytes);
  }
}

TEST(a_prefix_is_decoded_without_reading_the_rest) {
  const auto prefix = [](std::string_view text, std::size_t count) {
    const auto bytes = decode_base64_prefix(text, count);
    return bytes ? std::string(bytes->begin(), bytes->end()) : "(refused)";
  };
  CHECK_EQ(prefix("Zm9vYmFy", 0), "");
  CHECK_EQ(prefix("Zm9vYmFy", 2), "fo");
  CHECK_EQ(prefix("Zm9vYmFy", 4), "foob");
  CHECK_EQ(prefix("Zm9v!!!!", 3), "foo");
  CHECK_EQ(prefix("Zm9v!!!!", 4), "(refused)");
  CHECK_EQ(prefix("Zm9vYg==", 100), "foob");
  CHECK_EQ(prefix("Zg", 100), "f");
  CHECK_EQ(prefix("Zm9v", SIZE_MAX), "foo");
}
