#include "marketplace/semver.h"

#include <tuple>
#include <vector>

#include "support/check.h"

using namespace marketplace;

namespace {

// As SQL sorts its columns: a null is last.
auto order(std::string_view text) {
  const auto version = semver(text);
  CHECK(version.has_value());
  return std::tuple(version->major, version->minor, version->patch, !version->prerelease_key,
                    version->prerelease_key.value_or(""));
}

}  // namespace

TEST(versions_are_in_the_order_of_the_specification) {
  const std::vector<std::string> rising{
      "0.0.1",         "0.9.10",     "0.10.0",       "1.0.0-1",       "1.0.0-2",
      "1.0.0-10",      "1.0.0-a-b",  "1.0.0-alpha",  "1.0.0-alpha.1", "1.0.0-alpha.beta",
      "1.0.0-alpha-x", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
      "1.0.0",         "1.0.1-0",    "1.0.1",        "2.0.0",         "10.0.0"};
  for (std::size_t i = 0; i + 1 < rising.size(); ++i) CHECK(order(rising[i]) < order(rising[i + 1]));
}

TEST(what_is_no_version_is_none) {
  for (const char* none :
       {"", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.02.3", "1.2.03", "1.2.-3", "1.2.3-", "1.2.3-a..b", "1.2.3-01",
        "1.2.3-a_b", "1.2.3+build", "1.2.3 ", "../1.2.3", "1.2.3/..", "1.2.9999999999999999", "1.2.3-9999999999999999"})
    CHECK(!semver(none));
  CHECK(!semver("1.2.3-" + std::string(59, 'a')));
  CHECK(semver("1.2.3-" + std::string(58, 'a')).has_value());
}
