#include "marketplace/publishing/secrets.h"

#include <string>

#include "support/check.h"

using namespace marketplace;

TEST(keys_are_found_by_their_shape) {
  const std::string rest(43, 'a');
  CHECK_EQ(secret_in("key = 'sk-ant-" + rest + "'").value_or(""), "an Anthropic key");
  CHECK_EQ(secret_in("pfu_" + rest).value_or(""), "a personal access token of Plugfleet");
  CHECK_EQ(secret_in("x\n-----BEGIN EC PRIVATE KEY-----\n").value_or(""), "a private key");
}

TEST(what_only_begins_like_one_is_none) {
  const std::string rest(43, 'a');
  CHECK(!secret_in("an sk-ant- prefix"));
  CHECK(!secret_in("the word disk-ant-" + rest));
  CHECK(!secret_in("-----BEGIN PUBLIC KEY-----"));
  CHECK(!secret_in(""));
  CHECK_EQ(secret_in("sk-ant- and sk-ant-" + rest).value_or(""), "an Anthropic key");  // the second one
}
