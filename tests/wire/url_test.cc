#include "wire/url.h"

#include "support/check.h"

using namespace plugfleet;

TEST(an_address_is_read_into_its_parts) {
  const auto url = parse_url("HTTPS://ada@Api.Example.com:8443/V1//");
  CHECK_EQ(url->scheme, "https");
  CHECK_EQ(url->user, "ada@");
  CHECK_EQ(url->host, "api.example.com");
  CHECK_EQ(url->port, "8443");
  CHECK_EQ(url->path, "/V1");
  CHECK_EQ(url->text(), "https://api.example.com:8443/V1");
  for (const char* none :
       {"", "a.example", "//a.example", "ftp://a.example", "https://", "https://a:0", "https://a b", "https://a?b"})
    CHECK(!parse_url(none));
}

TEST(private_is_what_nobody_on_the_way_can_read) {
  for (const char* yes :
       {"https://a.example", "http://127.0.0.1:8080/x", "http://[::1]/", "http://localhost:1", "http://a.localhost"})
    CHECK(is_private_url(yes));
  for (const char* no :
       {"http://a.example", "http://127.0.0.1.example.com", "http://localhost.example", "https://ada@a.example",
        "http://localhost@a.example", "http://10.0.0.1", "javascript://localhost", "https://a?b"})
    CHECK(!is_private_url(no));
}
