#include "core/auth.h"

#include "support/check.h"
#include "wire/jwt_tokens.h"

using namespace plugfleet;
using namespace plugfleet::test;

namespace {

const std::string kBefore = "the secret before it, of 32 bytes";

Settings with_secret(std::string text) {
  Settings settings;
  settings.jwt_alg = "HS256";
  settings.jwt_secret = std::move(text);
  settings.jwt_issuer = "issuer";
  settings.jwt_audience = "audience";
  return settings;
}

std::string complaint(std::string text) {
  try {
    const Authenticator taken(with_secret(std::move(text)));
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

// Who a token signed with `secret` is, at a server whose JWT_SECRET is `text`.
std::string who(std::string text, std::string_view secret) {
  const std::string claims = R"({"iss":"issuer","aud":"audience","sub":"ada","exp":253402300799})";
  const Authenticator authenticator(with_secret(std::move(text)));
  try {
    return authenticator.identify(Auth::required, "Bearer " + hs_token(R"({"alg":"HS256"})", claims, secret))->id;
  } catch (const Failure& refused) {
    return refused.message();
  }
}

}  // namespace

TEST(the_secret_before_it_is_taken_until_the_time_that_stands_before_it) {
  const std::string both = kSecret + "\nuntil 2999-01-01T00:00:00Z " + kBefore;
  CHECK_EQ(who(both, kSecret), "ada");
  CHECK_EQ(who(both, kBefore), "ada");
  const std::string past = kSecret + "\nuntil 2026-01-01T00:00:00Z " + kBefore;
  CHECK_EQ(who(past, kSecret), "ada");
  CHECK_EQ(who(past, kBefore), "the token's signature is not right");
  CHECK_EQ(who(kSecret, kBefore), "the token's signature is not right");
  CHECK_EQ(who(kSecret + "\nuntil 2999-01-01T00:00:00Z \xEF\xBB\xBF" + kBefore, kBefore), "ada");  // its file began so
}

TEST(a_second_line_that_says_no_time_stops_the_start_and_no_secret_is_shown) {
  const std::string until = "until 2999-01-01T00:00:00Z ";
  for (const std::string& second : {kBefore, std::string(), "until " + kBefore, "until tomorrow " + kBefore, until,
                                    "until 2999-01-01T00:00:00Z" + kBefore, until + kBefore + "\n" + kBefore}) {
    const std::string said = complaint(kSecret + "\n" + second);
    CHECK_CONTAINS(said, "JWT_SECRET: a second line must be like");
    CHECK(said.find(kBefore) == std::string::npos && said.find(kSecret) == std::string::npos);
  }
  CHECK_CONTAINS(complaint(kSecret + "\n" + until + "short"), "under 32 bytes");
  CHECK_CONTAINS(complaint("short\n" + until + kBefore), "under 32 bytes");
  CHECK_EQ(complaint(kSecret + "\n" + until + kBefore), "");
}
