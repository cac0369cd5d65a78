#include "core/jwt_issuers.h"

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
    read_jwt_issuers(with_secret(std::move(text)));
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

std::string complaint_of_others(std::string text) {
  Settings settings = with_secret(kSecret);
  settings.jwt_issuers = std::move(text);
  try {
    read_jwt_issuers(settings);
  } catch (const Failure& failure) {
    return failure.message();
  }
  return "";
}

// Who a token signed with `secret` is, at a server whose JWT_SECRET is `text`.
std::string who(std::string text, std::string_view secret) {
  const std::string claims = R"({"iss":"issuer","aud":"audience","sub":"ada","exp":253402300799})";
  const auto issuers = read_jwt_issuers(with_secret(std::move(text)));
  const auto said = issuers.at(0).verifier->verify(hs_token(R"({"alg":"HS256"})", claims, secret), WallClock::now());
  return said ? said->subject : std::string(said.error());
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

TEST(another_issuer_has_keys_of_its_own_kind_and_a_name_of_its_own) {
  const auto entry = [](std::string_view members) {
    return fmt::format(R"({{"issuers":[{{"issuer":"other","audience":"a",{}}}]}})", members);
  };
  const std::string secret = fmt::format(R"("secret":"{}")", kBefore);
  CHECK_EQ(complaint_of_others(entry(R"("algorithm":"HS256",)" + secret)), "");
  CHECK_EQ(complaint_of_others(entry(R"("algorithm":"RS256","jwksUrl":"https://a.example/keys")")), "");
  CHECK_EQ(complaint_of_others(entry(R"("algorithm":"ES256","jwksUrl":"http://127.0.0.1:1/keys")")), "");
  for (const auto& [members, said] : std::vector<std::pair<std::string, std::string>>{
           {R"("algorithm":"RS256","jwksUrl":"http://a.example/keys")", "must begin with https://"},
           {R"("algorithm":"RS256","jwksUrl":"https://ada@a.example/keys")", "must begin with https://"},
           {R"("algorithm":"RS256",)" + secret, "either jwksFile or jwksUrl"},
           {R"("algorithm":"RS256","jwksUrl":"https://a.example","jwksFile":"a")", "either jwksFile or jwksUrl"},
           {R"("algorithm":"HS256","jwksUrl":"https://a.example")", "takes a secret"},
           {R"("algorithm":"HS256","secret":"short")", "under 32 bytes"},
           {R"("algorithm":"RS256","jwksFile":"/nowhere")", "cannot read"},
           {R"("algorithm":"none")", "issuers[0].algorithm must be one of"},
           {R"("algorithm":"HS256","alg":"RS256",)" + secret, "issuers[0].alg"}}) {
    const std::string complaint = complaint_of_others(entry(members));
    CHECK_CONTAINS(complaint, "JWT_ISSUERS: ");
    CHECK_CONTAINS(complaint, said);
    CHECK(!complaint.contains(kBefore));
  }
  for (const auto& [name, said] :
       {std::pair("issuer", "stands there twice"), {"local", "own users"}, {"a|b", "no |"}}) {
    CHECK_CONTAINS(complaint_of_others(fmt::format(
                       R"({{"issuers":[{{"issuer":"{}","audience":"a","algorithm":"HS256",{}}}]}})", name, secret)),
                   said);
  }
  CHECK_CONTAINS(complaint_of_others("{"), "JWT_ISSUERS: ");
  CHECK_CONTAINS(complaint_of_others("[]"), "JWT_ISSUERS: ");
}
