#include "wire/http.h"

#include "support/check.h"

using namespace plugfleet;

TEST(percent_escapes_are_decoded_or_refused) {
  CHECK_EQ(percent_decode("/a%20b%C3%A9").value(), "/a b\xc3\xa9");
  for (const char* bad : {"%", "%2", "%zz", "a%00b", "%ff"}) CHECK(!percent_decode(bad));
}

TEST(a_query_is_pairs_in_order) {
  const auto pairs = parse_query("days=7&q=a+b%26c&flag&bad=%zz&%zz=bad");
  CHECK_EQ(pairs.size(), 4u);
  CHECK_EQ(pairs[1].second.value(), "a b&c");
  CHECK_EQ(pairs[2].first, "flag");
  CHECK_EQ(pairs[2].second.value(), "");
  CHECK(!pairs[3].second);
}

TEST(json_types_are_known_with_parameters_and_suffixes) {
  CHECK(is_json_type("application/json"));
  CHECK(is_json_type("Application/JSON; charset=utf-8"));
  CHECK(is_json_type("application/problem+json"));
  CHECK(!is_json_type("text/json"));
  CHECK(!is_json_type(""));
}

TEST(a_bearer_token_is_taken_from_its_scheme_alone) {
  CHECK_EQ(bearer_token("Bearer abc.def"), "abc.def");
  CHECK_EQ(bearer_token("bearer  abc"), "abc");
  CHECK_EQ(bearer_token("Basic abc"), "");
  CHECK_EQ(bearer_token("Bearer "), "");
}

TEST(respond_async_is_found_among_preferences) {
  CHECK(prefers_async("respond-async"));
  CHECK(prefers_async("handling=lenient, Respond-Async; wait=10"));
  CHECK(prefers_async("wait=5,respond-async;reason=\"none\""));
  CHECK(!prefers_async("respond-asynchronously"));
  CHECK(!prefers_async("handling=respond-async"));
  CHECK(!prefers_async(R"(foo="x, respond-async, y")"));
  CHECK(!prefers_async(R"(foo="x\", respond-async, y")"));
  CHECK(!prefers_async(R"(foo="never closed, respond-async)"));
  CHECK(prefers_async(R"(foo="x\\", respond-async)"));
  CHECK(prefers_async(R"(foo; bar="a, b", , respond-async=)"));
  CHECK(!prefers_async(""));
}

TEST(an_idempotency_key_is_short_and_printable) {
  CHECK(is_idempotency_key("k"));
  CHECK(is_idempotency_key("\"8e03978e-40d5-43dd-bc93-6894a57f9324\""));
  CHECK(is_idempotency_key("two words"));
  CHECK(is_idempotency_key(std::string(255, 'k')));
  CHECK(!is_idempotency_key(std::string(256, 'k')));
  for (const char* bad : {"", "tab\t", "\x7f", "gr\xc3\xbc\xc3\x9f"}) CHECK(!is_idempotency_key(bad));
}

TEST(a_method_nobody_serves_is_other) {
  CHECK(parse_method("DELETE") == Method::DELETE);
  CHECK(parse_method("other") == Method::other);
  CHECK(parse_method("BREW") == Method::other);
}

TEST(what_is_encoded_decodes_to_itself) {
  CHECK_EQ(percent_encode("a b/\xc3\xa9?&=+%~-._"), "a%20b%2F%C3%A9%3F%26%3D%2B%25~-._");
  const std::string query = query_of({{"a", "1&b=2"}, {"c d", "+ %"}, {"e", ""}});
  CHECK_EQ(query, "a=1%26b%3D2&c%20d=%2B%20%25&e=");
  const auto pairs = parse_query(query);
  CHECK_EQ(pairs.size(), 3u);
  CHECK_EQ(pairs[0].second.value(), "1&b=2");
  CHECK_EQ(pairs[1].first, "c d");
  CHECK_EQ(pairs[1].second.value(), "+ %");
}

TEST(a_cookie_is_found_by_its_whole_name) {
  CHECK_EQ(cookie_in("a=1; __Host-session=x=y; b=2", "__Host-session"), "x=y");
  CHECK_EQ(cookie_in("__Host-session=first;__Host-session=second", "__Host-session"), "first");
  for (const char* none :
       {"", "x__Host-session=1", "__host-session=1", "__Host-session", "__Host-session2=1", "a=__Host-session=1"})
    CHECK_EQ(cookie_in(none, "__Host-session"), "");
}
