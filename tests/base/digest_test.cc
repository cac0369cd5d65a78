#include "base/digest.h"

#include "support/check.h"

using namespace plugfleet;

// FIPS 180-4's examples (NIST, "Examples with Intermediate Values").
TEST(digests_are_those_of_the_standard) {
  CHECK_EQ(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(a_NUL_is_a_byte_like_any_other) { CHECK(sha256_hex(std::string_view("a\0b", 3)) != sha256_hex("a")); }

TEST(a_digest_of_parts_is_that_of_the_whole) {
  Sha256 parts;
  parts.add("a");
  parts.add("");
  parts.add("bc");
  CHECK_EQ(parts.hex(), sha256_hex("abc"));
}
