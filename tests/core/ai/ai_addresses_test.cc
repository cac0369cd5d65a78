#include "core/ai/ai_addresses.h"

#include <fmt/format.h>

#include "support/check.h"

using namespace plugfleet;

namespace {

std::string base(std::string_view text, PlainHttp plain = PlainHttp::loopback) {
  const auto read = read_base_url(text, plain);
  return read ? *read : "! " + read.error();
}

}  // namespace

TEST(a_base_url_is_taken_without_what_means_nothing) {
  CHECK_EQ(base("https://api.example.com/v1"), "https://api.example.com/v1");
  CHECK_EQ(base(" https://api.example.com/v1// "), "https://api.example.com/v1");
  CHECK_EQ(base("HTTPS://API.Example.com:8443/V1/"), "https://api.example.com:8443/V1");
  CHECK_EQ(base("https://api.example.com/"), "https://api.example.com");
  CHECK_EQ(base("https://[2001:db8::1]:8443/v1"), "https://[2001:db8::1]:8443/v1");
}

TEST(a_base_url_that_may_mean_something_else_is_refused) {
  for (const char* text : {"", "api.example.com/v1", "//api.example.com/v1", "ftp://api.example.com", "https://",
                           "https:///v1", "https:/api.example.com", "https://api.example.com:0", "https://a:99999",
                           "https://a:b", "https://a b/v1", "\"https://api.example.com", "https://[::1", "https://a\\b",
                           "https://a_b\x07", "javascript:alert(1)", "https://https://api.example.com"}) {
    CHECK_CONTAINS(base(text), "! must be an address that begins with https://");
  }
  for (const char* text : {"https://a/v1?key=secret", "https://a/v1#secret", "https://a?"})
    CHECK_EQ(base(text), "! must end with its path: nothing after a ? or # could be sent");
  for (const char* text : {"https://ada:secret@a/v1", "https://secret@a", "http://localhost@a"})
    CHECK_EQ(base(text), "! must have no user name or password: the key is sent instead");
  CHECK_EQ(base("https://a/v1/chat/completions/"), "! must end before /chat/completions, which is added");
  CHECK_CONTAINS(base("https://a/v1beta/models/m:generateContent"), "! must end before :generateContent");
}

TEST(plain_http_is_for_this_machine_unless_it_is_said_otherwise) {
  for (const char* text : {"http://127.0.0.1:8080/v1", "http://127.9.9.9", "http://[::1]:8080/v1",
                           "http://localhost/v1", "http://LOCALHOST:11434/v1", "http://model.localhost"}) {
    CHECK(!base(text).starts_with("!"));
  }
  for (const char* text : {"http://10.8.0.7:8000/v1", "http://api.example.com/v1", "http://127.0.0.1.example.com",
                           "http://localhost.example.com", "http://[2001:db8::1]/v1", "HTTP://1270.0.0.1"}) {
    CHECK_CONTAINS(base(text), "AI_PLAIN_HTTP=anywhere allows it");
    CHECK(!base(text, PlainHttp::anywhere).starts_with("!"));
  }
}

TEST(a_proxy_has_a_port_and_may_have_a_password) {
  CHECK_EQ(read_proxy("").value(), "");
  CHECK_EQ(read_proxy("http://proxy.example.com:3128/").value(), "http://proxy.example.com:3128");
  CHECK_EQ(read_proxy("http://ada:p%40ss@10.8.0.9:3128").value(), "http://ada:p%40ss@10.8.0.9:3128");
  for (const char* text : {"proxy.example.com:3128", "http://proxy.example.com", "https://proxy.example.com:3128",
                           "socks5://10.8.0.9:1080", "http://10.8.0.9:3128/path"}) {
    CHECK_CONTAINS(read_proxy(text).error(), "must be like http://10.8.0.9:3128");
  }
}

TEST(geminis_models_are_taken_by_their_path_as_well) {
  CHECK_EQ(read_gemini_model("gemini-2.5-flash").value(), "gemini-2.5-flash");
  CHECK_EQ(read_gemini_model(" models/gemini-2.5-flash ").value(), "gemini-2.5-flash");
  CHECK_EQ(read_gemini_model("").value(), "");
  for (const char* text : {"google/gemini-2.5-flash", "gemini 2.5", "gemini?", "gemini:generateContent", "../x", "a/b"})
    CHECK_CONTAINS(read_gemini_model(text).error(), "must be a model's name alone");
}
