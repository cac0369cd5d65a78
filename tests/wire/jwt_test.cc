#include "wire/jwt.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <map>
#include <stdexcept>
#include <vector>

#include "support/check.h"
#include "wire/jwt_tokens.h"

using namespace plugfleet::test;
using namespace plugfleet;
using namespace std::chrono_literals;

namespace {

const std::string kIssuer = "https://project.example/auth/v1";
const std::string kAudience = "authenticated";
const std::string kHs256 = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::chrono::sys_seconds kNow{1'800'000'000s};

// The claims of a good token, as JSON texts, with some changed; an empty text leaves a claim out.
std::string payload(const std::map<std::string, std::string>& changes = {}) {
  std::map<std::string, std::string> claims = {{"iss", "\"" + kIssuer + "\""},
                                               {"aud", "\"" + kAudience + "\""},
                                               {"sub", "\"user-1\""},
                                               {"exp", "1800000600"},
                                               {"email", "\"ada@example.com\""}};
  for (const auto& [name, value] : changes) claims[name] = value;
  std::string text;
  for (const auto& [name, value] : claims) {
    if (!value.empty()) text += (text.empty() ? "{\"" : ",\"") + name + "\":" + value;
  }
  return text + "}";
}

std::string token_with(const std::string& claim, const std::string& json) {
  return hs_token(kHs256, payload({{claim, json}}));
}

JwtRules rules(JwtRules::Algorithm algorithm, std::string jwks = "") {
  return {.algorithm = algorithm, .secret = kSecret, .jwks = std::move(jwks), .issuer = kIssuer, .audience = kAudience};
}

JwtRules hs_rules() { return rules(JwtRules::Algorithm::HS256); }

std::string outcome(const JwtVerifier& verifier, std::string_view token, std::chrono::sys_seconds now = kNow) {
  const auto claims = verifier.verify(token, now);
  return claims ? "accepted" : std::string(claims.error());
}

std::string outcome(std::string_view token, std::chrono::sys_seconds now = kNow) {
  static const JwtVerifier verifier(hs_rules());
  return outcome(verifier, token, now);
}

// The sentence for the operator; empty when the rules are taken.
std::string complaint(const JwtRules& bad) {
  try {
    (void)JwtVerifier(bad);
  } catch (const std::invalid_argument& refused) {
    return refused.what();
  }
  return "";
}

std::string rs_token(const Key& key, const std::string& header = R"({"alg":"RS256"})") {
  const std::string text = base64url(header) + "." + base64url(payload());
  return text + "." + base64url(signature(key, text));
}

std::string es_token(const Key& key, int number_size = 32) {
  const std::string text = base64url(R"({"alg":"ES256","typ":"JWT"})") + "." + base64url(payload());
  return text + "." + base64url(raw_from_der(signature(key, text), number_size));
}

JwtVerifier rs_verifier(const std::string& keys) {
  return JwtVerifier(rules(JwtRules::Algorithm::RS256, set_of(keys)));
}
JwtVerifier es_verifier(const std::string& keys) {
  return JwtVerifier(rules(JwtRules::Algorithm::ES256, set_of(keys)));
}

const std::string kBadSignature = "the token's signature is not right";
const std::string kBadAlgorithm = "the token's algorithm is not ours";
const std::string kBadSegments = "the token is not three base64url segments";
const std::string kBadHeader = "the token's header is not a JSON object of distinct members";
const std::string kBadPayload = "the token's payload is not a JSON object of distinct members";
const std::string kRefusedHeader = "the token's header asks for what we refuse";
const std::string kBadExpiry = "the token's exp is missing or not a date";
const std::string kBadSubject = "the token's sub is missing or not a plain text";

}  // namespace

TEST(a_good_hs256_token_gives_its_claims) {
  const auto claims = JwtVerifier(hs_rules()).verify(hs_token(kHs256, payload()), kNow);
  CHECK(claims.has_value());
  CHECK_EQ(claims->subject, "user-1");
  CHECK_EQ(claims->email.value(), "ada@example.com");
  CHECK(claims->expiry == std::chrono::sys_seconds{1'800'000'600s});
}

TEST(a_good_rs256_token_is_accepted) { CHECK_EQ(outcome(rs_verifier(rsa_jwk(rsa())), rs_token(rsa())), "accepted"); }
TEST(a_good_es256_token_is_accepted) {
  for (int i = 0; i < 20; ++i) CHECK_EQ(outcome(es_verifier(ec_jwk(ec(), "P-256", 32)), es_token(ec())), "accepted");
}

// ---- Who signed -----------------------------------------------------------------------------------------------------

TEST(a_token_signed_with_another_key_is_refused) {
  CHECK_EQ(outcome(hs_token(kHs256, payload(), "another secret of thirty-two byt")), kBadSignature);
  CHECK_EQ(outcome(rs_verifier(rsa_jwk(rsa())), rs_token(make_rsa(2048))), kBadSignature);
  CHECK_EQ(outcome(es_verifier(ec_jwk(ec(), "P-256", 32)), es_token(make_ec("P-256"))), kBadSignature);
}

TEST(a_token_signed_with_an_empty_key_is_refused) { CHECK_EQ(outcome(hs_token(kHs256, payload(), "")), kBadSignature); }

TEST(the_public_rsa_key_is_no_hs256_secret) {
  const std::shared_ptr<BIO> file(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_PUBKEY(file.get(), rsa().get());
  char* text = nullptr;
  const auto size = BIO_get_mem_data(file.get(), &text);
  const std::string pem(text, static_cast<std::size_t>(size));
  const auto verifier = rs_verifier(rsa_jwk(rsa()));
  for (const auto& key : {pem, number(rsa(), OSSL_PKEY_PARAM_RSA_N), set_of(rsa_jwk(rsa()))}) {
    CHECK_EQ(outcome(verifier, hs_token(kHs256, payload(), key)), kBadAlgorithm);
    CHECK_EQ(outcome(verifier, hs_token(R"({"alg":"RS256"})", payload(), key)), kBadSignature);
  }
  auto bad = hs_rules();
  bad.secret = pem;
  CHECK_CONTAINS(complaint(bad), "PEM");
}

TEST(a_token_does_not_choose_its_algorithm) {
  for (const std::string alg : {"none", "None", "NONE", "hs256", "HS384", "RS256", "ES256", "PS256", "", "HS256 "}) {
    CHECK_EQ(outcome(hs_token(R"({"alg":")" + alg + "\"}", payload())), kBadAlgorithm);
  }
  for (const std::string header : {"{}", R"({"alg":null})", R"({"alg":["HS256"]})", R"({"alg":256})"}) {
    CHECK_EQ(outcome(hs_token(header, payload())), kBadAlgorithm);
  }
  const auto verifier = rs_verifier(rsa_jwk(rsa()));
  for (const std::string alg : {"RS384", "RS512", "PS256", "ES256", "HS256", "none"}) {
    CHECK_EQ(outcome(verifier, rs_token(rsa(), R"({"alg":")" + alg + "\"}")), kBadAlgorithm);
  }
}

TEST(an_hs512_token_is_refused_where_hs256_is_meant) {
  CHECK_EQ(outcome(hs_token(R"({"alg":"HS512"})", payload(), kSecret, EVP_sha512())), kBadAlgorithm);
  CHECK_EQ(outcome(hs_token(kHs256, payload(), kSecret, EVP_sha512())), kBadSignature);
}

TEST(an_unsigned_token_is_refused) {
  const std::string none = base64url(R"({"alg":"none"})") + "." + base64url(payload()) + ".";
  CHECK_EQ(outcome(none), kBadSegments);
  CHECK_EQ(outcome(none + "AA"), kBadAlgorithm);
}

TEST(a_signature_of_the_wrong_length_is_refused) {
  const std::string good = hs_token(kHs256, payload());
  const std::string text = good.substr(0, good.rfind('.'));
  const std::string code = hmac(kSecret, text);
  for (std::size_t size = 1; size < 32; ++size) {
    CHECK_EQ(outcome(text + "." + base64url(code.substr(0, size))), kBadSignature);
  }
  CHECK_EQ(outcome(text + "." + base64url(code + '\0')), kBadSignature);
  CHECK_EQ(outcome(text + "." + base64url(code + code)), kBadSignature);
}

TEST(an_es256_signature_has_one_spelling) {
  const auto verifier = es_verifier(ec_jwk(ec(), "P-256", 32));
  CHECK_EQ(outcome(verifier, es_token(ec(), 33)), kBadSignature);
  CHECK_EQ(outcome(verifier, es_token(ec(), 48)), kBadSignature);
  const std::string good = es_token(ec());
  const std::string text = good.substr(0, good.rfind('.'));
  const std::string der = signature(ec(), text);
  CHECK_EQ(outcome(verifier, text + "." + base64url(der)), kBadSignature);
  CHECK_EQ(outcome(verifier, text + "." + base64url(raw_from_der(der, 32) + "x")), kBadSignature);
  CHECK_EQ(outcome(verifier, text + "." + base64url(std::string(64, '\0'))), kBadSignature);
}

TEST(no_byte_of_a_token_can_be_changed) {
  const auto refused_everywhere = [](const JwtVerifier& verifier, const std::string& good, int step) {
    CHECK_EQ(outcome(verifier, good), "accepted");
    for (std::size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      for (int change = step; change < 256; change += step) {
        bad[i] = static_cast<char>(good[i] ^ change);
        if (outcome(verifier, bad) == "accepted") fail(fmt::format("byte {} changed by {} is accepted", i, change));
      }
      if (outcome(verifier, good.substr(0, i)) == "accepted") fail(fmt::format("its first {} bytes are accepted", i));
    }
  };
  refused_everywhere(JwtVerifier(hs_rules()), hs_token(kHs256, payload()), 1);
  refused_everywhere(rs_verifier(rsa_jwk(rsa())), rs_token(rsa()), 51);
  refused_everywhere(es_verifier(ec_jwk(ec(), "P-256", 32)), es_token(ec()), 51);
}

TEST(a_refusal_leaves_no_error_for_the_next_user_of_openssl) {
  const auto verifier = rs_verifier(rsa_jwk(rsa()));
  const auto forged = rs_token(make_rsa(2048));
  ERR_clear_error();
  CHECK_EQ(outcome(verifier, forged), kBadSignature);
  CHECK_EQ(ERR_peek_error(), 0ul);
}

// ---- How it is spelled ----------------------------------------------------------------------------------------------

TEST(only_three_unpadded_base64url_segments_are_a_token) {
  const std::string good = hs_token(kHs256, payload());
  const std::string jwe = "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA";
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("..."), std::string("AAAA"), jwe, good + ".",
        good + ".AAAA", "." + good, good + "=", good + " ", " " + good, good + "\n", good + std::string(1, '\0'),
        std::string("AAAA..AAAA"), std::string(".AAAA.AAAA"), std::string("AAAA.AAAA."), std::string("A.AAAA.AAAA")}) {
    CHECK_EQ(outcome(bad), kBadSegments);
  }
}

TEST(a_segment_with_unused_bits_set_is_refused) {
  const std::string good = hs_token(kHs256, payload());  // 32 bytes leave two unused bits in the last letter
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (const unsigned bits : {1u, 2u, 3u}) {
    std::string bad = good;
    bad.back() = alphabet[alphabet.find(good.back()) | bits];
    CHECK_EQ(outcome(bad), kBadSegments);
  }
}

TEST(standard_base64_is_refused) {
  const std::string header = base64url(R"({"alg":"HS256","x":"??>>~~"})");
  const auto letter = header.find_first_of("-_");
  CHECK(letter != std::string::npos);
  std::string bad = hs_token(R"({"alg":"HS256","x":"??>>~~"})", payload());
  CHECK_EQ(outcome(bad), "accepted");
  bad[letter] = bad[letter] == '-' ? '+' : '/';
  CHECK_EQ(outcome(bad), kBadSegments);
}

TEST(a_token_over_8_kib_is_refused) {
  const auto sized = [](std::size_t fill) { return token_with("fill", "\"" + std::string(fill, 'x') + "\""); };
  CHECK(sized(5800).size() <= 8192);
  CHECK_EQ(outcome(sized(5800)), "accepted");
  CHECK(sized(6200).size() > 8192);
  CHECK_EQ(outcome(sized(6200)), "the token is too long");
}

TEST(a_header_or_payload_that_is_no_json_object_is_refused) {
  for (const std::string bad : {"[]", "\"HS256\"", "null", "{", "{} x", "\xff", "{\"a\":\"\\q\"}", "{\"a\":01}"}) {
    CHECK_EQ(outcome(hs_token(bad, payload())), kBadHeader);
    CHECK_EQ(outcome(hs_token(kHs256, bad)), kBadPayload);
  }
  CHECK_EQ(outcome(hs_token(kHs256, hs_token(kHs256, payload()))), kBadPayload);
}

TEST(json_that_nobody_asks_for_may_be_as_odd_as_json_can) {
  for (const std::string odd : {"18446744073709551616", "-1e400", R"("\ud83d")", R"("a\u0000b")", R"({"a\/b":1})",
                                R"({"\u0061":1,"\u0062":2})"}) {
    CHECK_EQ(outcome(token_with("odd", odd)), "accepted");
  }
  CHECK_EQ(outcome(hs_token(R"({"\u0061lg":"HS\u0032\u0035\u0036","a\/b":1})", payload())), "accepted");
  CHECK_EQ(outcome(token_with("n\\u0062f", "1800000061")), "the token is not valid yet");
  CHECK_EQ(outcome(hs_token(R"({"alg":"HS256","cr\u0069t":[]})", payload())), kRefusedHeader);
}

// RFC 7515, section 4: what is not understood is ignored, and so is what a reader of our own could not read.
TEST(a_header_member_that_nobody_asks_for_may_be_as_odd_as_json_can) {
  const auto rs = rs_verifier(rsa_jwk(rsa()));
  for (const std::string member :
       {R"("x":18446744073709551616)", R"("x":-1e400)", R"("x":"\ud800")", R"("x":"a\u0000b")", R"("\u0000":1)",
        R"("\udc00":[{"\ud800":"\ud800"}])", R"("crit\u0000":["exp"])", R"("x":{"crit":["exp"],"alg":"none"})"}) {
    CHECK_EQ(outcome(hs_token(R"({"alg":"HS256",)" + member + "}", payload())), "accepted");
    CHECK_EQ(outcome(rs, rs_token(rsa(), "{" + member + R"(,"alg":"RS256"})")), "accepted");
    CHECK_EQ(outcome(hs_token("{" + member + R"(,"alg":"HS256","crit":["x"]})", payload())), kRefusedHeader);
    CHECK_EQ(outcome(hs_token(R"({"alg":"HS256","alg":"HS256",)" + member + "}", payload())), kBadHeader);
    CHECK_EQ(outcome(hs_token(R"({"alg":"HS256",)" + member + "," + member + "}", payload())), kBadHeader);
    CHECK_EQ(outcome(hs_token(R"({"alg":"HS256",)" + member + "}", payload(), "")), kBadSignature);
  }
}

TEST(a_claim_named_twice_is_refused) {
  const std::string once = payload();
  CHECK_EQ(outcome(hs_token(kHs256, once.substr(0, once.size() - 1) + R"(,"sub":"admin"})")), kBadPayload);
  CHECK_EQ(outcome(hs_token(kHs256, once.substr(0, once.size() - 1) + R"(,"s\u0075b":"admin"})")), kBadPayload);
  CHECK_EQ(outcome(token_with("app", R"({"role":"user","role":"admin"})")), kBadPayload);
}

TEST(a_header_member_named_twice_is_refused) {
  CHECK_EQ(outcome(hs_token(R"({"alg":"none","alg":"HS256"})", payload())), kBadHeader);
  CHECK_EQ(outcome(hs_token(R"({"alg":"HS256","kid":"a","kid":"b"})", payload())), kBadHeader);
}

TEST(a_header_that_brings_a_key_or_an_extension_is_refused) {
  for (const std::string member :
       {R"("crit":["exp"])", R"("crit":[])", R"("crit":["x-unknown"],"x-unknown":1)", R"("crit":null)",
        R"("b64":false)", R"("b64":false,"crit":["b64"])", R"("b64":true)", R"("jwk":{"kty":"oct","k":"AAAA"})",
        R"("jku":"https://evil.example/keys")", R"("x5u":"https://evil.example/cert")", R"("x5c":["AAAA"])"}) {
    CHECK_EQ(outcome(hs_token(R"({"alg":"HS256",)" + member + "}", payload())), kRefusedHeader);
  }
}

TEST(a_type_other_than_jwt_is_refused) {
  for (const std::string type : {R"("JWT")", R"("jwt")", R"("Jwt")"}) {
    CHECK_EQ(outcome(hs_token(R"({"alg":"HS256","typ":)" + type + "}", payload())), "accepted");
  }
  for (const std::string type : {R"("JOSE")", R"("dpop+jwt")", R"("JWTX")", R"("")", "null", "1"}) {
    CHECK_EQ(outcome(hs_token(R"({"alg":"HS256","typ":)" + type + "}", payload())), "the token's type is not JWT");
  }
}

// ---- What it claims -------------------------------------------------------------------------------------------------

TEST(an_expired_token_is_refused_after_the_leeway) {
  CHECK_EQ(outcome(token_with("exp", "1799999941")), "accepted");
  CHECK_EQ(outcome(token_with("exp", "1799999940")), "the token has expired");
  CHECK_EQ(outcome(token_with("exp", "1799999940.5")), "accepted");
  CHECK_EQ(outcome(token_with("exp", "0")), "the token has expired");
  auto exact = hs_rules();
  exact.leeway = 0s;
  CHECK_EQ(outcome(JwtVerifier(exact), token_with("exp", "1800000000")), "the token has expired");
}

TEST(a_token_without_exp_is_refused) { CHECK_EQ(outcome(token_with("exp", "")), kBadExpiry); }

TEST(an_exp_that_is_no_date_is_refused) {
  for (const std::string bad :
       {R"("1800000600")", "null", "true", "[1800000600]", "{}", "-1", "-1e300", "1e300", "1800000600000",
        "9223372036854775807", "-9223372036854775808", "253402300800", "18446744073709551616", "1e999"}) {
    CHECK_EQ(outcome(token_with("exp", bad)), kBadExpiry);
  }
  for (const std::string bad : {"NaN", "Infinity", "0x7fffffff", "01800000600"}) {
    CHECK_EQ(outcome(token_with("exp", bad)), kBadPayload);
  }
  const auto far = JwtVerifier(hs_rules()).verify(token_with("exp", "253402300799"), kNow);
  CHECK(far.has_value());
  CHECK(far->expiry == std::chrono::sys_seconds{253402300799s});
}

TEST(a_token_is_refused_before_its_nbf) {
  CHECK_EQ(outcome(token_with("nbf", "1800000060")), "accepted");
  CHECK_EQ(outcome(token_with("nbf", "1800000060.5")), "the token is not valid yet");
  CHECK_EQ(outcome(token_with("nbf", "1800000061")), "the token is not valid yet");
  for (const std::string bad : {R"("1700000000")", "null", "false", "-1", "1e300"}) {
    CHECK_EQ(outcome(token_with("nbf", bad)), "the token's nbf is not a date");
  }
}

TEST(an_iat_that_is_no_date_is_refused) {
  CHECK_EQ(outcome(token_with("iat", "1799999000.25")), "accepted");
  for (const std::string bad : {R"("1700000000")", "null", "[]", "-1", "1800000600000"}) {
    CHECK_EQ(outcome(token_with("iat", bad)), "the token's iat is not a date");
  }
}

TEST(another_issuer_is_refused) {
  const std::string ours = "\"" + kIssuer + "\"";
  for (const std::string& bad :
       {std::string(), "\"" + kIssuer + "/\"", std::string(R"("HTTPS://project.example/auth/v1")"), "[" + ours + "]",
        std::string("null"), std::string("1"), std::string(R"("")"), "\"" + kIssuer.substr(0, 10) + "\""}) {
    CHECK_EQ(outcome(token_with("iss", bad)), "the token is from another issuer");
  }
}

TEST(another_audience_is_refused) {
  CHECK_EQ(outcome(token_with("aud", R"(["other","authenticated"])")), "accepted");
  for (const std::string bad :
       {"", R"("other")", R"("Authenticated")", R"("authenticated,other")", R"(["other"])", "[]",
        R"(["authenticated",1])", R"([["authenticated"]])", R"({"authenticated":1})", "null"}) {
    CHECK_EQ(outcome(token_with("aud", bad)), "the token is for another audience");
  }
}

TEST(a_sub_that_is_no_plain_text_is_refused) {
  const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
  CHECK_EQ(outcome(token_with("sub", quoted(std::string(255, 'u')))), "accepted");
  CHECK_EQ(outcome(token_with("sub", quoted("J\xc3\xb6rg \xe2\x82\xac"))), "accepted");
  for (const std::string& bad :
       {std::string(), quoted(""), quoted(std::string(256, 'u')), quoted("a\\nb"), quoted("a\\u007f"),
        quoted("\\u0085"), quoted("\\u001b[31m"), quoted("a\\u0000b"), quoted("a\\ud83d"), std::string("7"),
        std::string("null"), std::string("[\"user-1\"]"), std::string("{}")}) {
    CHECK_EQ(outcome(token_with("sub", bad)), kBadSubject);
  }
}

TEST(an_email_is_optional_and_a_plain_text) {
  const JwtVerifier verifier(hs_rules());
  for (const std::string none : {"", "null", R"("")"}) {
    const auto claims = verifier.verify(token_with("email", none), kNow);
    CHECK(claims.has_value() && !claims->email);
  }
  for (const std::string bad : {"7", R"(["a@b.c"])", R"("a@b.c\r\nBcc: x")", "true"}) {
    CHECK_EQ(outcome(token_with("email", bad)), "the token's email is not a plain text");
  }
}

TEST(claims_are_read_only_after_the_signature) {
  const std::string other = "another secret of thirty-two byt";
  CHECK_EQ(outcome(hs_token(kHs256, payload({{"exp", "0"}}), other)), kBadSignature);
  CHECK_EQ(outcome(hs_token(kHs256, "no json", other)), kBadSignature);
}

// ---- Which key ------------------------------------------------------------------------------------------------------

TEST(kid_picks_among_the_configured_keys) {
  const Key other = make_rsa(2048);
  const auto verifier = rs_verifier(rsa_jwk(rsa(), R"(,"kid":"a")") + "," + rsa_jwk(other, R"(,"kid":"b")"));
  CHECK_EQ(outcome(verifier, rs_token(rsa(), R"({"alg":"RS256","kid":"a"})")), "accepted");
  CHECK_EQ(outcome(verifier, rs_token(other, R"({"alg":"RS256","kid":"b"})")), "accepted");
  CHECK_EQ(outcome(verifier, rs_token(rsa(), R"({"alg":"RS256","kid":"b"})")), kBadSignature);
  for (const std::string kid : {"c", "A", "", "a ", "../../dev/null"}) {
    CHECK_EQ(outcome(verifier, rs_token(rsa(), R"({"alg":"RS256","kid":")" + kid + "\"}")),
             "the token names a key we do not have");
  }
  CHECK_EQ(outcome(verifier, rs_token(rsa())), "the token names no key, and there are several");
  CHECK_EQ(outcome(verifier, rs_token(rsa(), R"({"alg":"RS256","kid":1})")), "the token's kid is not a string");
}

TEST(one_key_needs_no_kid_but_a_wrong_one_is_refused) {
  const auto named = rs_verifier(rsa_jwk(rsa(), R"(,"kid":"a")"));
  CHECK_EQ(outcome(named, rs_token(rsa())), "accepted");
  CHECK_EQ(outcome(named, rs_token(rsa(), R"({"alg":"RS256","kid":"b"})")), "the token names a key we do not have");
  const auto nameless = rs_verifier(rsa_jwk(rsa()));
  CHECK_EQ(outcome(nameless, rs_token(rsa(), R"({"alg":"RS256","kid":"b"})")), "accepted");
  CHECK_EQ(outcome(hs_token(R"({"alg":"HS256","kid":"b"})", payload())), "accepted");
}

TEST(keys_for_other_uses_are_passed_over) {
  const auto verifier =
      rs_verifier(R"({"kty":"oct","k":"AAAA"},{"kty":"OKP","crv":"Ed25519"},)" + ec_jwk(ec(), "P-256", 32) + "," +
                  rsa_jwk(make_rsa(1024), R"(,"use":"enc")") + "," + rsa_jwk(rsa(), R"(,"alg":"RS512")") + "," +
                  rsa_jwk(rsa(), R"(,"key_ops":["sign"])") + ",7," +
                  rsa_jwk(rsa(), R"(,"use":"sig","alg":"RS256","key_ops":["verify"])"));
  CHECK_EQ(outcome(verifier, rs_token(rsa())), "accepted");
  const std::vector<std::string> why = {"is of another type than RSA",         "is of another type than RSA",
                                        "is of another type than RSA",         "is not for signatures",
                                        "is for another algorithm than RS256", "is not for verifying",
                                        "is of another type than RSA"};
  CHECK_EQ(verifier.passed_over().size(), why.size());
  for (std::size_t i = 0; i < why.size(); ++i) {
    CHECK_EQ(verifier.passed_over()[i], fmt::format("key {} of the JWKS {}", i + 1, why[i]));
  }
}

TEST(keys_that_cannot_be_used_are_passed_over_beside_one_that_can) {
  const std::string good = ec_jwk(ec(), "P-256", 32, R"(,"kid":"good")");
  const std::string x = base64url(std::string(32, 'x'));  // a point that is not on the curve
  for (const std::string& other :
       {ec_jwk(make_ec("P-384"), "P-384", 48), ec_jwk(make_ec("P-521"), "P-521", 66, R"(,"kid":"good")"),
        ec_jwk(make_ec("secp256k1"), "secp256k1", 32), std::string(R"({"kty":"EC","crv":"P-256"})"),
        std::string(R"({"kty":"EC"})"), std::string(R"({"kty":"EC","crv":"P-256","x":"","y":7})"),
        R"({"kty":"EC","crv":"P-256","x":")" + x + R"(","y":")" + x + "\"}", ec_jwk(ec(), "P-256", 32, R"(,"kid":1)"),
        ec_jwk(ec(), "P-256", 32, R"(,"kid":"a\ud83d")"), std::string("{}"), std::string("null")}) {
    for (const auto& [keys, place] : {std::pair(good + "," + other, 2), std::pair(other + "," + good, 1)}) {
      const auto verifier = es_verifier(keys);
      CHECK_EQ(outcome(verifier, es_token(ec())), "accepted");
      CHECK_EQ(verifier.passed_over().size(), 1u);
      CHECK_CONTAINS(verifier.passed_over()[0], fmt::format("key {} of the JWKS ", place));
    }
  }
  const auto verifier = rs_verifier(rsa_jwk(make_rsa(1024)) + "," + rsa_jwk(rsa()));
  CHECK_EQ(outcome(verifier, rs_token(rsa())), "accepted");
  CHECK_CONTAINS(verifier.passed_over().at(0), "under 2048 bits");
  CHECK_EQ(ERR_peek_error(), 0ul);
}

TEST(a_previous_secret_is_taken_until_its_time_and_changes_nothing_else) {
  const std::string before = "the secret before it, of 32 bytes";
  auto both = hs_rules();
  both.previous = before, both.previous_until = kNow;
  const JwtVerifier verifier(both);
  const auto of_both = [&](const std::string& header, std::string_view secret, std::chrono::sys_seconds now) {
    return outcome(verifier, hs_token(header, payload(), secret), now);
  };
  CHECK_EQ(of_both(kHs256, before, kNow - 1s), "accepted");
  CHECK_EQ(of_both(R"({"alg":"HS256","kid":"b"})", before, kNow - 1s), "accepted");
  CHECK_EQ(of_both(kHs256, before, kNow), kBadSignature);
  for (const auto now : {kNow - 1s, kNow}) {
    CHECK_EQ(of_both(kHs256, kSecret, now), "accepted");
    CHECK_EQ(of_both(kHs256, "neither of the two that there are", now), kBadSignature);
    CHECK_EQ(of_both(R"({"alg":"HS384"})", before, now), "the token's algorithm is not ours");
  }
  both.previous_until = std::chrono::sys_seconds(std::chrono::seconds(253'402'300'799));  // year 9999
  CHECK_EQ(outcome(JwtVerifier(both), hs_token(kHs256, payload(), before)), "accepted");
}

// ---- What the operator is told --------------------------------------------------------------------------------------

TEST(a_short_secret_is_refused_at_start) {
  auto bad = hs_rules();
  for (const std::size_t size : {0u, 1u, 31u}) {
    bad.secret = std::string(size, 'q');
    CHECK_CONTAINS(complaint(bad), "under 32 bytes");
    CHECK(complaint(bad).find("qq") == std::string::npos);
  }
  bad.secret = std::string(32, 'q');
  CHECK_EQ(complaint(bad), "");
  bad.previous = std::string(31, 'q');
  CHECK_CONTAINS(complaint(bad), "the HS256 secret before it is under 32 bytes");
  bad.previous = std::string(32, 'q');
  CHECK_EQ(complaint(bad), "");
}

TEST(an_unset_issuer_or_audience_is_refused_at_start) {
  auto bad = hs_rules();
  bad.issuer = "";
  CHECK_CONTAINS(complaint(bad), "no issuer");
  bad = hs_rules();
  bad.audience = "";
  CHECK_CONTAINS(complaint(bad), "no audience");
}

TEST(a_bad_jwks_is_refused_at_start) {
  const auto said = [](const std::string& jwks) { return complaint(rules(JwtRules::Algorithm::RS256, jwks)); };
  for (const std::string bad : {"", "{", "[]", "{}", R"({"keys":{}})", R"({"keys":[],"keys":[]})", "-----BEGIN"}) {
    CHECK_CONTAINS(said(bad), "not a JSON object with an array");
  }
  CHECK_CONTAINS(said(set_of("")), "no key for RS256");
  CHECK_EQ(
      said(set_of(ec_jwk(ec(), "P-256", 32) + "," + rsa_jwk(make_rsa(1024)))),
      "JWT: the JWKS holds no key for RS256: key 1 of the JWKS is of another type than RSA, key 2 of the JWKS is an "
      "RSA key under 2048 bits (RFC 7518, section 3.3)");
  const std::string named = rsa_jwk(rsa(), R"(,"kid":"a")");
  CHECK_CONTAINS(said(set_of(named + "," + named)), "key 2 of the JWKS has the \"kid\" of an earlier one");
  CHECK_CONTAINS(said(set_of(named + "," + rsa_jwk(rsa()))), "each needs a \"kid\"");
  CHECK_CONTAINS(said(set_of(rsa_jwk(rsa(), R"(,"kid":1)"))), "not plain text");
  CHECK_CONTAINS(said(set_of(rsa_jwk(rsa(), R"(,"d":"AQAB")"))), "is a private key");
}

TEST(a_weak_or_broken_key_is_refused_at_start) {
  const auto rsa_said = [](const std::string& key) {
    return complaint(rules(JwtRules::Algorithm::RS256, set_of(key)));
  };
  const auto ec_said = [](const std::string& key) { return complaint(rules(JwtRules::Algorithm::ES256, set_of(key))); };
  const std::string n = base64url(number(rsa(), OSSL_PKEY_PARAM_RSA_N));
  const std::string padded_n = base64url(padded(number(make_rsa(1024), OSSL_PKEY_PARAM_RSA_N), 512));
  CHECK_CONTAINS(rsa_said(rsa_jwk(make_rsa(1024))), "under 2048 bits");
  CHECK_CONTAINS(rsa_said(R"({"kty":"RSA","e":"AQAB","n":")" + padded_n + "\"}"), "under 2048 bits");
  CHECK_CONTAINS(rsa_said(R"({"kty":"RSA","e":"AQAB"})"), "no readable \"n\"");
  CHECK_CONTAINS(rsa_said(R"({"kty":"RSA","e":"","n":")" + n + "\"}"), "no readable \"e\"");
  CHECK_CONTAINS(rsa_said(R"({"kty":"RSA","e":"AQAB","n":")" + n + "=\"}"), "no readable");
  for (const std::string e : {"AA", "AQ", "Ag", "AQAA", "AQAAAAAAAAAB"}) {
    CHECK_CONTAINS(rsa_said(R"({"kty":"RSA","n":")" + n + R"(","e":")" + e + "\"}"), "unsafe exponent");
  }
  CHECK_CONTAINS(ec_said(ec_jwk(make_ec("P-384"), "P-384", 48)), "not on the curve P-256");
  CHECK_CONTAINS(ec_said(R"({"kty":"EC","crv":"P-256"})"), "no readable \"x\"");
  const std::string x = base64url(std::string(32, 'x'));  // a point that is not on the curve
  CHECK_CONTAINS(ec_said(R"({"kty":"EC","crv":"P-256","x":")" + x + R"(","y":")" + x + "\"}"),
                 "not a valid public key");
  CHECK_EQ(ERR_peek_error(), 0ul);
}

TEST(an_address_that_nobody_has_verified_is_none) {
  static const JwtVerifier verifier(hs_rules());
  for (const auto& [verified, kept] : std::map<std::string, bool>{
           {"false", false}, {"\"false\"", false}, {"true", true}, {"\"true\"", true}, {"", true}, {"null", true}}) {
    const auto claims = verifier.verify(token_with("email_verified", verified), kNow);
    CHECK_EQ(claims->email.has_value(), kept);
  }
}

TEST(what_openid_adds_is_read_where_it_is_plain_text) {
  static const JwtVerifier verifier(hs_rules());
  const auto claims = verifier.verify(
      hs_token(kHs256, payload({{"name", "\"Ada\""}, {"nonce", "\"n\""}, {"azp", "\"client\""}})), kNow);
  CHECK_EQ(claims->name.value(), "Ada");
  CHECK_EQ(claims->nonce.value(), "n");
  CHECK_EQ(claims->authorized_party.value(), "client");
  const auto odd =
      verifier.verify(hs_token(kHs256, payload({{"name", "\"a\\n\""}, {"nonce", "7"}, {"azp", "[]"}})), kNow);
  CHECK(odd && !odd->name && !odd->nonce && !odd->authorized_party);
}

TEST(what_a_token_says_unverified_chooses_rules_and_nothing_that_is_no_token_says_anything) {
  const UnverifiedJwt says = read_unverified(hs_token(R"({"alg":"RS256"})", payload()));
  CHECK_EQ(says.algorithm, "RS256");
  CHECK_EQ(says.issuer, kIssuer);
  for (const std::string& none : {std::string(), std::string("a.b.c"), std::string(9000, 'a'), hs_token("[]", "[]"),
                                  hs_token("{}", payload({{"iss", "7"}}))})
    CHECK_EQ(read_unverified(none).issuer, "");
}
